"""`proctor import` without a stack."""

from pathlib import Path

from unit.cli.terminal import Terminal


def test_without_a_stack_the_command_says_how_to_start_one(
    terminal: Terminal, tmp_path: Path
) -> None:
    code = terminal.run("import", str(tmp_path), "--state", str(tmp_path / "nothing"))

    assert code == 1
    assert "start one with `proctor up`" in terminal.err
