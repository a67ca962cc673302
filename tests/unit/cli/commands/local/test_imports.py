"""`proctor import` without a stack."""

from pathlib import Path

from cli.commands.local.imports import summary
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

    assert said.startswith("Would import 1 runs with 6 samples into a new suite")
    assert said.endswith("nothing was written")
