"""Generated requests for every operation of /openapi.json: right ones, wrong ones, odd ones.

The server must answer all of them in time, with a status that the operation's description names
and a body that fits it; what the description forbids is refused.
"""

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.rest.teams import Belongings, Team

# Of the generating part; besides, each limit of each field is tried below, at and above.
EXAMPLES = 8
CONFIG = Path(__file__).with_name("schemathesis.toml")
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


@pytest.mark.timeout(3600)
def test_every_operation_answers_generated_requests_as_it_is_described(
    request: pytest.FixtureRequest,
    document: dict[str, Any],
    new_team: Callable[..., Team],
    tmp_path: Path,
) -> None:
    team = new_team()
    victims = [team.belongings() for _ in range(2)]
    described = with_identifiers(strict(document), team.belongings(), victims)
    (tmp_path / "openapi.json").write_text(json.dumps(described))
    examples = request.config.getoption("--examples", default=None)
    chance = () if examples else ("--generation-deterministic",)

    done = subprocess.run(
        [
            *(SCHEMATHESIS, "--config-file", CONFIG, "run", tmp_path / "openapi.json"),
            *("--url", str(team.http.base_url), "--no-color"),
            *("--header", f"Authorization: {team.http.headers['authorization']}"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", str(examples or EXAMPLES)),
            *("--continue-on-failure", "--warnings", "off", *chance),
        ],
        cwd=tmp_path,  # it leaves its notes there
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """Without `default`, behind which any status would count as described."""
    described = copy.deepcopy(document)
    for operation in operations(described):
        del operation["responses"]["default"]
    return described


def with_identifiers(
    document: dict[str, Any], keepers: Belongings, victims: list[Belongings]
) -> dict[str, Any]:
    """Where an identifier is asked for, one that exists is as likely as any text."""
    for operation in operations(document):
        deletes = operation["operationId"].startswith("delete")
        known = victims if deletes else [keepers]
        for parameter in operation.get("parameters", ()):
            ids = [owned.ids[parameter["name"]] for owned in known if parameter["in"] == "path"]
            if ids and parameter["schema"].get("type") == "string":
                parameter["schema"] = one_of(ids, parameter["schema"])
    schemas = document["components"]["schemas"]
    for body in ("CreateRunBody", "CreateScheduleBody"):
        members = schemas[body]["properties"]
        members["suite_id"] = one_of([keepers.ids["suite_id"]], members["suite_id"])
    return document


def one_of(ids: list[str], schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"enum": ids}, schema]}


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()
