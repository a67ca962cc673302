"""A folder of harness output, imported without a hub and read through the published client."""

import json
from pathlib import Path

import pytest

from e2e.stack import Stack, proctor, run_proctor
from hub.harness import MOMENT, choice, jsonl, results
from servicekit.ids import new_id

pytestmark = pytest.mark.timeout(240)  # a loaded machine may take a while to start a stack


def test_a_folder_becomes_runs_once(stack: Stack, tmp_path: Path) -> None:
    inside = tmp_path / new_id("out") / "org__model"
    inside.mkdir(parents=True)
    rows = [choice(number, 1, number % 3) for number in range(6)]
    (inside / f"samples_colours_{MOMENT}.jsonl").write_bytes(jsonl(rows))
    (inside / f"results_{MOMENT}.json").write_bytes(results("org/model"))
    command = ("--state", str(stack.state_dir), "import", str(inside.parent), "--json")
    named = ("--name", new_id("suite"))

    dry = json.loads(proctor(*command, *named, "--dry-run"))
    first = json.loads(proctor(*command, *named))
    again = json.loads(proctor(*command, *named))
    nowhere = run_proctor("--state", str(stack.state_dir), "import", str(tmp_path / "no-such"))
    with stack.sdk() as sdk:
        run = sdk.llm.evals.get_run(run_id=first["files"][0]["run_id"])

    assert (dry["suite_id"], dry["imported_samples"]) == ("dry_run", 6)
    assert (first["imported_runs"], first["created_suite"]) == (1, True)
    assert (again["imported_runs"], again["suite_id"]) == (0, first["suite_id"])
    assert again["files"][0]["reason"] == "already_imported"
    assert (run.status, run.models, run.metadata["import_source"]) == (
        *("completed", ["org/model"], "folder"),
    )
    assert run.metrics is not None
    assert run.metrics["by_model"]["org/model"]["score"] == pytest.approx(1 / 3)
    assert nowhere.returncode == 1
    assert "is not a folder" in nowhere.stderr
