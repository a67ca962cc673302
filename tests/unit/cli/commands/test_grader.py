"""`proctor grader test` without jails: what it understands, and how it ends."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.errors import NothingGraded
from cli.trials.models import Answers
from cli.trials.program import TrialProgram
from cli.trials.results import Trial, tried_sample
from cli.trials.samples import GivenSample
from localstack.errors import LocalStackError
from proctor.sandbox.v1 import sandbox_service_pb2 as pb
from unit.cli.terminal import Terminal


class FakeTrial:
    """Stands for the grader: remembers what it was to try, and answers as told."""

    def __init__(self) -> None:
        self.outcomes: list[pb.SampleOutcome] = []
        self.failure: Exception | None = None
        self.program: TrialProgram | None = None
        self.samples: Sequence[GivenSample] = ()
        self.answers = Answers()

    async def __call__(
        self,
        program: TrialProgram,
        samples: Sequence[GivenSample],
        *,
        answers: Answers,
        environment: Mapping[str, str],
        progress: Any,
    ) -> Trial:
        self.program, self.samples, self.answers = program, samples, answers
        if self.failure:
            raise self.failure
        return Trial(
            samples=[
                tried_sample(outcome, sample_index=place, calls=[])
                for place, outcome in enumerate(self.outcomes)
            ]
        )


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch) -> FakeTrial:
    fake = FakeTrial()
    monkeypatch.setattr("cli.commands.grader.tried", fake)
    # Loggers keep the first settings they see, and other tests have theirs.
    monkeypatch.setattr("cli.commands.grader.configure_logs", lambda *_, **__: None)
    return fake


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


SCORED = pb.SampleOutcome(sample_id="a", outcome=pb.OUTCOME_SCORED, scores_json=b'{"score":1}')
FAILED = pb.SampleOutcome(sample_id="b", outcome=pb.OUTCOME_CRASHED, error_code="grader_crashed")


def test_every_setting_arrives_where_a_manifest_has_it(
    terminal: Terminal, program: str, trial: FakeTrial
) -> None:
    trial.outcomes = [SCORED]

    code = terminal.run_as_is(
        *("grader", "test", program, "--output", "o", "--target", "t", "--row", '{"a": 1}'),
        *("--contract", "model_backed", "--execution", "aggregate", "--isolation", "preload"),
        *("--timeout", "7", "--max-model-calls", "3", "--metric-id", "m", "--task", "sums"),
        *("--extraction", '{"type": "number"}', "--judge-output", "yes", "--embedding", "[1]"),
    )

    assert (code, terminal.out.splitlines()[0]) == (0, "scored")
    assert trial.program is not None
    grader = trial.program.grader
    assert (grader.contract, grader.execution, grader.isolation) == (
        "model_backed",
        "aggregate",
        "preload",
    )
    assert (grader.timeout_seconds, grader.max_model_calls, grader.metric_id) == (7, 3, "m")
    assert trial.program.task.output_extraction.type == "number"
    assert trial.program.task.id == "sums"
    (sample,) = trial.samples
    assert (sample.output_text, sample.target, sample.columns) == ("o", "t", {"a": 1})
    assert trial.answers == Answers(text="yes", vectors=[[1.0]])


def test_json_is_one_object_a_sample_and_nothing_else(
    terminal: Terminal, program: str, trial: FakeTrial
) -> None:
    trial.outcomes = [SCORED, SCORED]

    assert terminal.run_as_is("grader", "test", program, "--output", "1", "--json") == 0

    assert [json.loads(line)["id"] for line in terminal.out.splitlines()] == ["a", "a"]


def test_a_sample_that_is_not_scored_ends_with_1(
    terminal: Terminal, program: str, trial: FakeTrial
) -> None:
    trial.outcomes = [SCORED, FAILED]

    assert terminal.run_as_is("grader", "test", program, "--output", "1") == 1


@pytest.mark.parametrize("failure", [LocalStackError, NothingGraded])
def test_without_a_grading_it_ends_with_2_and_the_sentence(
    terminal: Terminal, program: str, trial: FakeTrial, failure: type[Exception]
) -> None:
    trial.failure = failure("Graders cannot run here: no nsjail.")

    assert terminal.run_as_is("grader", "test", program, "--output", "1") == 2

    assert terminal.err == "Error: Graders cannot run here: no nsjail.\n"
