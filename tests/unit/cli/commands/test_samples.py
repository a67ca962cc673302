import json
from collections.abc import Callable
from pathlib import Path

import pytest

from unit.cli.terminal import Terminal


@pytest.fixture
def run(terminal: Terminal, suite_file: Callable[..., Path]) -> str:
    terminal.run("suites", "create", str(suite_file()))
    terminal.run("run", "sums", "-m", "small", "--no-watch")
    return "eval_run_0"


def test_samples_are_a_table_of_short_lines(terminal: Terminal, run: str) -> None:
    assert terminal.run("samples", run) == 0

    assert "1 + 1 = 2" in terminal.out
    assert "exact_match=1.0" in terminal.out
    assert "model_timeout: no answer" in terminal.out


def test_samples_are_filtered(terminal: Terminal, run: str) -> None:
    terminal.run("samples", run, "--status", "failed", "--json")

    assert [json.loads(line)["sample_index"] for line in terminal.out.splitlines()] == [3]


def test_json_has_whole_samples_from_all_pages(terminal: Terminal, run: str) -> None:
    terminal.run("samples", run, "--json")

    lines = [json.loads(line) for line in terminal.out.splitlines()]
    assert [line["sample_index"] for line in lines] == list(range(7))
    assert lines[0]["prompt"] == "Compute 1 + 1."


def test_a_limit_ends_the_list_and_says_so(terminal: Terminal, run: str) -> None:
    terminal.run("samples", run, "--limit", "2")

    assert terminal.out.count("eval") == 0
    assert terminal.out.count("completed") == 2
    assert "These are the first 2" in terminal.err


def test_a_limit_of_json_is_told_beside_it(terminal: Terminal, run: str) -> None:
    terminal.run("samples", run, "--json", "--limit", "2")

    assert len(terminal.out.splitlines()) == 2
    assert terminal.err == "These are the first 2; --limit shows more.\n"


def test_a_terminal_gets_the_first_hundred_and_a_pipe_gets_all(
    terminal: Terminal, run: str
) -> None:
    terminal.fake.sample_count = 130

    terminal.run("samples", run)
    assert terminal.out.count("completed") == 129
    assert terminal.err == ""

    terminal.read_by_a_person = True
    terminal.run("samples", run)
    assert terminal.out.count("completed") == 99
    assert "These are the first 100" in terminal.err


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_filters_that_match_nothing_say_so(
    form: tuple[str, ...], terminal: Terminal, run: str
) -> None:
    assert terminal.run("samples", run, "--status", "queued", *form) == 0

    assert terminal.out == ""
    assert terminal.err == "No sample matches.\n"


def test_a_status_that_does_not_exist_is_wrong_usage(terminal: Terminal, run: str) -> None:
    assert terminal.run("samples", run, "--status", "sleeping") == 2
