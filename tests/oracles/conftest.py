"""A whole Proctor, and an environment with lm-evaluation-harness beside it (`make oracles`)."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import e2e.conftest as e2e
from e2e.stack import ROOT

start_stack = e2e.start_stack
stack = e2e.stack

HARNESS_PYTHON = ROOT / ".venv" / "oracles" / "bin" / "python"

Harness = Callable[[Mapping[str, Any]], dict[str, Any]]


@pytest.fixture(scope="session")
def render_with_harness(tmp_path_factory: pytest.TempPathFactory) -> Harness:
    """What `harness_prompts.py` prints for a question; see there."""
    cache = tmp_path_factory.mktemp("datasets")

    def render(asked: Mapping[str, Any]) -> dict[str, Any]:
        program = Path(__file__).with_name("harness_prompts.py")
        found: dict[str, Any] = json.loads(
            run_harness(str(program), home=cache, text=json.dumps(asked))
        )
        return found

    return render


def run_harness(*arguments: str, home: Path, text: str = "") -> str:
    """Standard output of the harness's Python, which must succeed; it downloads nothing."""
    done = subprocess.run(
        [str(HARNESS_PYTHON), *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={"HF_HUB_OFFLINE": "1", "HOME": str(home), "PATH": os.defpath},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
