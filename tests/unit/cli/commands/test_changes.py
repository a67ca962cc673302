import json
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from unit.cli.terminal import Terminal

RUN = "eval_run_0"


@pytest.fixture
def started(terminal: Terminal, suite_file: Callable[..., Path]) -> Terminal:
    """A terminal whose server has one run, in progress."""
    terminal.run("suites", "create", str(suite_file()))
    terminal.run("run", "sums", "-m", "small", "--no-watch")
    terminal.fake._steps[RUN] = 1
    return terminal


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts lines on the standard input."""
    return lambda text: monkeypatch.setattr(sys, "stdin", StringIO(text))


def test_cancel_waits_until_the_run_is_cancelled(started: Terminal) -> None:
    assert started.run("cancel", RUN) == 0

    assert started.out == f"{RUN} is cancelled.\n"
    assert "samples had ended" in started.err


def test_cancel_prints_the_cancelled_run_as_json(started: Terminal) -> None:
    assert started.run("cancel", RUN, "--json") == 0

    assert json.loads(started.out)["status"] == "cancelled"


def test_a_run_that_has_ended_is_not_cancelled(started: Terminal) -> None:
    started.fake._steps[RUN] = 9

    assert started.run("cancel", RUN) == 1

    assert "[409 run_not_cancellable]" in started.err


def test_a_cancelled_run_is_resumed_and_followed_to_its_results(started: Terminal) -> None:
    started.run("cancel", RUN)

    assert started.run("retry", RUN) == 0

    assert "0.750" in started.out
    assert f"{RUN}-results.json" in started.out


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_failed_samples_run_again_and_what_still_fails_is_told(
    started: Terminal, form: tuple[str, ...]
) -> None:
    started.fake._steps[RUN] = 9

    assert started.run("rerun", RUN, *form) == 0

    assert "1 sample failed" in started.err
    assert "POST /api/v1/llm/evals/runs/eval_run_0/rerun-failed" in started.fake.requests


def test_unwatched_the_queued_run_is_printed(started: Terminal) -> None:
    started.fake._steps[RUN] = 9
    assert started.run("rerun", RUN, "--no-watch") == 0
    assert started.out == f"{RUN}\n"

    started.fake._steps[RUN] = 9
    assert started.run("rerun", RUN, "--no-watch", "--json") == 0
    assert json.loads(started.out)["status"] == "queued"


def test_what_cannot_be_done_again_is_refused(started: Terminal) -> None:
    assert started.run("rerun", RUN) == 1

    assert "[409 run_not_completed]" in started.err


@pytest.mark.parametrize(
    ("object_id", "said"),
    [
        (RUN, f"{RUN} is deleted.\n"),
        ("eval_suite_0", "eval_suite_0 is deleted, with 1 run.\n"),
    ],
)
def test_runs_and_suites_are_deleted_by_their_id(
    started: Terminal, object_id: str, said: str
) -> None:
    assert started.run("delete", object_id, "--yes") == 0

    assert started.out == said
    assert started.run("delete", object_id, "--yes") == 1


def test_before_anything_is_deleted_it_asks(
    started: Terminal, answers: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    for text in ("n\n", ""):
        answers(text)
        assert started.run("delete", "eval_suite_0") == 1
    assert "Delete the suite sums (eval_suite_0) and all its runs?" in capfd.readouterr().err
    assert RUN in started.fake.runs

    answers("y\n")
    assert started.run("delete", RUN) == 0
    assert RUN not in started.fake.runs


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("sums", "sums is not the id of a run or a suite."),
        ("file_0", "`proctor files delete file_0` deletes it."),
    ],
)
def test_what_is_no_id_of_them_is_refused_without_asking_the_server(
    started: Terminal, word: str, sentence: str
) -> None:
    asked = len(started.fake.requests)

    assert started.run("delete", word) == 1

    assert sentence in started.err
    assert len(started.fake.requests) == asked
