"""`proctor import` without a stack."""

from pathlib import Path

import pytest

from cli.commands.local.imports import line_of, summary
from unit.cli.terminal import Terminal


def test_without_a_stack_the_command_says_how_to_start_one(
    terminal: Terminal, tmp_path: Path
) -> None:
    code = terminal.run("import", str(tmp_path), "--state", str(tmp_path / "nothing"))

    assert code == 1
    assert "start one with `proctor up`" in terminal.err


def test_a_path_that_is_no_folder_is_refused_before_anything_else(
    terminal: Terminal, tmp_path: Path
) -> None:
    code = terminal.run("import", str(tmp_path / "missing"))

    assert code == 1
    assert "is not a folder." in terminal.err


def test_an_empty_folder_is_told_from_an_import() -> None:
    report = {"files": [], "imported_runs": 0}

    assert "--log_samples" in summary(report, dry_run=False)


def test_a_dry_run_names_no_suite_that_is_not_there() -> None:
    report = {
        "files": [{}],
        "imported_runs": 1,
        "imported_samples": 6,
        "skipped_runs": 0,
        "created_suite": True,
        "suite_id": "dry_run",
    }

    said = summary(report, dry_run=True)

    assert said.startswith("Would import 1 run with 6 samples into a new suite")
    assert said.endswith("nothing was written")


@pytest.mark.parametrize(
    ("runs", "samples", "counts"),
    [
        (0, 0, "0 runs with 0 samples"),
        (1, 1, "1 run with 1 sample"),
        (2, 1, "2 runs with 1 sample"),
    ],
)
def test_one_is_told_in_the_singular(runs: int, samples: int, counts: str) -> None:
    report = {
        "files": [{}],
        "imported_runs": runs,
        "imported_samples": samples,
        "skipped_runs": 0,
        "suite_id": "eval_suite_1",
    }

    assert summary(report, dry_run=False) == f"{counts} in eval_suite_1, 0 skipped"


def test_a_dry_run_says_of_no_file_that_it_was_imported() -> None:
    wanted = {"status": "imported", "reason": "", "run_id": "", "path": "a_samples.jsonl"}
    skipped = {"status": "skipped", "reason": "no_rows", "run_id": "", "path": "b_samples.jsonl"}

    assert line_of(wanted, dry_run=True) == "would import\t-\ta_samples.jsonl"
    assert line_of(wanted | {"run_id": "eval_run_1"}, dry_run=False).startswith(
        "imported\teval_run"
    )
    assert line_of(skipped, dry_run=True) == "skipped\tno_rows\tb_samples.jsonl"
