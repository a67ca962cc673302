import json
from collections.abc import Callable
from pathlib import Path

import pytest

from unit.cli.terminal import Terminal

WriteSuite = Callable[..., Path]


@pytest.fixture
def suite(terminal: Terminal, suite_file: WriteSuite) -> str:
    terminal.run("suites", "create", str(suite_file()))
    return "sums"


def test_a_run_is_followed_to_its_results_and_artifacts(terminal: Terminal, suite: str) -> None:
    assert terminal.run("run", suite, "--model", "small") == 0

    assert "queued" in terminal.err
    assert "in_progress: 7 of 10 samples, 1 failed" in terminal.err
    row = next(line for line in terminal.out.splitlines() if "exact" in line and "small" in line)
    assert row.split("\t") == ["exact", "small", "0.750", "0.750", "9/10", "1", "800", "-"]
    line = "1 sample failed; see: proctor samples eval_run_0 --status failed"
    assert terminal.err.splitlines()[-2:] == ["most often no answer [model_timeout]", line]
    assert "eval_run_0-results.json" in terminal.out


def test_the_options_become_the_request(terminal: Terminal, suite: str) -> None:
    words = "-m a -m b --task t --judge-model j --max-samples 5 --concurrency 3 --no-watch"

    terminal.run("run", suite, *words.split(), "--generation", '{"temperature": 0}')

    assert terminal.out == "eval_run_0\n"
    assert terminal.fake.runs["eval_run_0"] == {
        "id": "eval_run_0",
        "suite_version": 1,
        "status": "queued",
        "suite_id": "eval_suite_0",
        "models": ["a", "b"],
        "task_ids": ["t"],
        "judge_model": "j",
        "max_samples_per_task": 5,
        "concurrency": 3,
        "generation": {"temperature": 0},
    }


def test_json_on_the_output_and_progress_beside_it(terminal: Terminal, suite: str) -> None:
    assert terminal.run("run", suite, "-m", "small", "--json") == 0

    assert json.loads(terminal.out)["status"] == "completed"
    assert "finalizing" in terminal.err


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        ("failed", "Error: Run eval_run_0 failed: line 3 is not JSON [dataset_error]"),
        ("cancelled", "Error: Run eval_run_0 cancelled"),
    ],
)
def test_a_run_that_does_not_complete_ends_with_an_error(
    outcome: str, sentence: str, terminal: Terminal, suite: str
) -> None:
    terminal.fake.outcome = outcome

    assert terminal.run("run", suite, "-m", "small") == 1

    assert terminal.err.splitlines()[-1] == sentence


@pytest.mark.parametrize("words", [("run", "sums", "-m", "small"), ("watch", "eval_run_0")])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_run_without_a_completed_sample_ends_with_an_error(
    words: tuple[str, ...], form: tuple[str, ...], terminal: Terminal, suite: str
) -> None:
    terminal.fake.all_fail = True
    if words[0] == "watch":
        terminal.run("run", suite, "-m", "small", "--no-watch")

    assert terminal.run(*words, *form) == 1

    assert terminal.err.splitlines()[-2:] == [
        "10 samples failed; see: proctor samples eval_run_0 --status failed",
        "Error: No sample of eval_run_0 completed.",
    ]


def test_a_watch_outlives_a_restart_of_the_server(terminal: Terminal, suite: str) -> None:
    terminal.run("run", suite, "-m", "small", "--no-watch")
    terminal.fake.failing = [503, 502]

    assert terminal.run("watch", "eval_run_0") == 0


def test_a_terminal_gets_a_bar(terminal: Terminal, suite: str) -> None:
    terminal.interactive = True

    terminal.run("run", suite, "-m", "small")

    assert "━" in terminal.err
    assert "10/10" in terminal.err


def test_results_of_an_unfinished_run_are_refused(terminal: Terminal, suite: str) -> None:
    terminal.run("run", suite, "-m", "small", "--no-watch")

    assert terminal.run("results", "eval_run_0") == 1

    assert "Run eval_run_0 is queued: `proctor watch eval_run_0` waits for it." in terminal.err


def test_artifacts_are_downloaded_into_the_folder_and_nowhere_else(
    terminal: Terminal, suite: str, tmp_path: Path
) -> None:
    terminal.run("run", suite, "-m", "small")
    folder = tmp_path / "deep" / "results"

    assert terminal.run("artifacts", "eval_run_0", "--output", str(folder)) == 0

    names = {"eval_run_0-results.json", "eval_run_0-samples.jsonl"}
    assert {path.name for path in folder.iterdir()} == names
    assert terminal.out.splitlines() == [str(folder / name) for name in sorted(names)]


def test_a_run_without_artifacts_is_a_sentence(terminal: Terminal, suite: str) -> None:
    terminal.run("run", suite, "-m", "small", "--no-watch")

    assert terminal.run("artifacts", "eval_run_0") == 1

    assert "only a completed run has" in terminal.err


def test_runs_are_listed(terminal: Terminal, suite: str) -> None:
    terminal.run("run", suite, "-m", "small", "--no-watch")

    assert terminal.run("runs") == 0

    assert "eval_run_0" in terminal.out


def test_generation_that_is_not_json_is_a_sentence(terminal: Terminal, suite: str) -> None:
    assert terminal.run("run", suite, "-m", "a", "--generation", "{") == 1

    assert "--generation is not JSON" in terminal.err


def test_runs_are_listed_by_suite_and_version(terminal: Terminal, suite: str) -> None:
    terminal.run("run", suite, "-m", "small", "--no-watch")

    for words, found in (("1", ["eval_run_0"]), ("2", [])):
        assert terminal.run("runs", "--suite", "eval_suite_0", "--version", words, "--json") == 0
        assert [json.loads(line)["id"] for line in terminal.out.splitlines()] == found


BOARD_ROW: dict[str, object] = {
    "agent_name": "ada",
    "agent_version": None,
    "agent_effort": "high",
    "model": "small",
    "accuracy": 0.5,
    "accuracy_ci": {"low": 0.402, "high": 0.598, "margin": 0.098},
    "trials": 100,
    "scored_trials": 100,
    "failed_trials": 2,
    "solved_trials": 50,
    "cost_usd": None,
    "input_tokens": 1000,
    "output_tokens": None,
    "steps": 12,
    "agent_seconds": 30.0,
    "timed_trials": 20,
    "run_count": 1,
}


def test_agents_are_listed_with_what_they_reached(terminal: Terminal, suite: str) -> None:
    terminal.fake.board = [BOARD_ROW, {**BOARD_ROW, "agent_name": "bob", "accuracy": None}]

    assert terminal.run("leaderboard", suite, "--metric", "resolved") == 0

    names, ada, bob = (line.split("\t") for line in terminal.out.splitlines())
    assert names[4:6] == ["resolved", "±"]
    figures = ("0.500", "0.098", "100", "50", "2", "", "1000", "", "12", "1.5", "1")
    assert ada == ["ada", "", "high", "small", *figures]
    assert bob[4] == ""


def test_a_leaderboard_without_agents_says_so(terminal: Terminal, suite: str) -> None:
    terminal.fake.board = []

    assert terminal.run("leaderboard", suite) == 0

    assert "No completed run of an agent" in terminal.err


def test_a_leaderboard_is_asked_for_with_its_filters(terminal: Terminal, suite: str) -> None:
    words = "--metric m --version 2 --agent ada --model small --json"

    assert terminal.run("leaderboard", suite, *words.split()) == 0

    asked = {"metric": "m", "suite_version": "2", "agent": "ada", "model": "small"}
    assert json.loads(terminal.out)["asked"] == asked
