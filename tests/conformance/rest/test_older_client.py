"""The published client in its oldest version, unmodified, against a running stack.

One environment holds one version, so the older one has a folder of its own that `make venv` fills.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.rest.teams import Team
from e2e.stack import Stack
from hub.harness import jsonl, simplified

FOLDER = Path(sys.prefix) / "older-client"
PROGRAM = Path(__file__).with_name("older_client.py")
REPO = "older/results"
HUB_TOKEN = "hf_older_client"  # noqa: S105 -- of a stand-in


@pytest.mark.timeout(240)
def test_the_older_client_drives_every_operation_it_has(
    stack: Stack, new_team: Callable[..., Team]
) -> None:
    team = new_team()
    rows = jsonl(simplified(number, 1.0) for number in range(2))
    stack.hub.add(REPO, {"model/one_samples.jsonl": rows}, private=True)
    stack.hub.tokens[HUB_TOKEN] = {REPO}
    key = team.http.headers["authorization"].removeprefix("Bearer ")

    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(team.http.base_url), key, REPO, HUB_TOKEN],
        env={**os.environ, "PYTHONPATH": str(FOLDER)},  # noqa: TID251 (a child inherits it)
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["version"] == "0.5.27"
    assert len(told["offered"]) == 17 + 5
    assert set(told["offered"]) == set(told["answered"])
