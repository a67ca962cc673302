"""Wrong usage of `proctor grader test`: nothing is started for it."""

from pathlib import Path

import pytest

from unit.cli.terminal import Terminal


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "grader.py"
    path.write_text("def grade(sample, item):\n    return 1\n")
    return str(path)


def refused(terminal: Terminal, *words: str) -> str:
    """What is said of a wrong command, which ends with 2 and prints no result."""
    assert terminal.run_as_is("grader", "test", *words) == 2
    assert terminal.out == ""
    assert "Starting" not in terminal.err
    return terminal.err


def test_without_a_sample_the_sentence_says_how_to_give_one(
    terminal: Terminal, program: str
) -> None:
    assert "--sample JSON, or --samples FILE" in refused(terminal, program)


def test_one_sample_and_many_exclude_each_other(terminal: Terminal, program: str) -> None:
    words = (program, "--samples", "s.jsonl", "--output", "1")

    assert "--samples goes without" in refused(terminal, *words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--sample", '{"rwo": {}}'), "sample.rwo is not a known field (did you mean `row`?)"),
        (("--sample", "{"), "--sample is not valid JSON"),
        (("--row", "[]"), "--row must be a JSON object"),
        (("--samples", "none.jsonl"), "none.jsonl cannot be read: No such file or directory."),
        (("--output", "1", "--timeout", "601"), "grader.timeout_seconds must be at most 600"),
        (("--output", "1", "--max-model-calls", "501"), "grader.max_model_calls must be at most"),
        (("--output", "1", "--metric-id", ""), "grader.metric_id must have at least 1 charac"),
        (("--output", "1", "--extraction", "{}"), "output_extraction.type is required"),
        (("--output", "1", "--embedding", "x"), "--embedding is not JSON"),
        (("--output", "1", "--manifest", "none.json"), "none.json cannot be read"),
    ],
)
def test_what_is_wrong_is_named(
    terminal: Terminal, program: str, words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refused(terminal, program, *words)


def test_a_missing_program_is_named(terminal: Terminal) -> None:
    assert "none.py cannot be read" in refused(terminal, "none.py", "--output", "1")


@pytest.mark.parametrize("option", [("--judge-output", "yes"), ("--embedding", "[1]")])
def test_answers_that_nobody_would_hear_are_refused(
    terminal: Terminal, program: str, option: tuple[str, str]
) -> None:
    assert "--contract model_backed" in refused(terminal, program, "--output", "1", *option)
