import io
from datetime import UTC, datetime

from rich.console import Console

from cli.resources import Key
from cli.views.tables import keys_table


def test_keys_are_listed_with_header_state_and_time() -> None:
    made = datetime(2026, 11, 21, 12, tzinfo=UTC)
    key = Key(
        id="0123", name="[ci]", org_id="o", team_id="t", scopes=["read:evals"], created_at=made
    )
    revoked = key.model_copy(update={"revoked_at": made})
    out = io.StringIO()

    keys_table([key, revoked]).print_to(Console(file=out))

    rest = ["o/t", "read:evals", "2026-11-21 12:00:00Z"]
    assert [line.split("\t") for line in out.getvalue().splitlines()] == [
        ["id", "name", "state", "org/team", "scopes", "created"],
        ["0123", "[ci]", "active", *rest],
        ["0123", "[ci]", "revoked", *rest],
    ]
