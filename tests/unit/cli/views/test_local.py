import io

from rich.console import Console

from cli.views.local import KeyJson, keys_table


def test_keys_are_listed_with_header_state_and_time() -> None:
    key: KeyJson = {
        "id": "0123",
        "name": "[ci]",
        "org_id": "o",
        "team_id": "t",
        "scopes": ["read:evals"],
        "is_org_admin": False,
        "created_at": "2026-11-21T13:00:00+01:00",
        "revoked_at": None,
    }
    revoked: KeyJson = {**key, "revoked_at": "2026-11-21T13:00:00+01:00"}
    out = io.StringIO()

    keys_table([key, revoked]).print_to(Console(file=out))

    rest = ["o/t", "read:evals", "2026-11-21 12:00:00Z"]
    assert [line.split("\t") for line in out.getvalue().splitlines()] == [
        ["id", "name", "state", "org/team", "scopes", "created"],
        ["0123", "[ci]", "active", *rest],
        ["0123", "[ci]", "revoked", *rest],
    ]
