import pytest

from grader.domain.outcome import Failure, Outcome
from grader.domain.result import (
    Graded,
    InvalidResult,
    failed,
    read_error,
    read_graded,
    read_scores,
)
from grader.domain.strict_json import Json

FAILURE = Failure(Outcome.CRASHED, "grader_crashed", "it crashed")


def test_a_scored_result_is_taken_as_it_is() -> None:
    graded = read_graded(
        {
            "extracted_output": "4",
            "scores": {"score": 1, "f1": 0.5},
            "judge": {"reason": "good"},
            "error": None,
        }
    )

    assert graded == Graded(
        extracted_output="4", scores={"score": 1, "f1": 0.5}, judge={"reason": "good"}
    )
    assert graded.outcome is Outcome.SCORED


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("grader_error", Outcome.GRADER_ERROR),
        ("judge_model_required", Outcome.GRADER_ERROR),
        ("embedding_model_required", Outcome.GRADER_ERROR),
        ("bad_regex", Outcome.GRADER_ERROR),
        ("invalid_grader_result", Outcome.INVALID_RESULT),
        ("invalid_score", Outcome.INVALID_RESULT),
        ("grader_timeout", Outcome.TIMEOUT),
        ("regex_timeout", Outcome.TIMEOUT),
        ("grader_oom", Outcome.OUT_OF_MEMORY),
    ],
)
def test_a_reported_error_has_the_outcome_of_its_code(code: str, outcome: Outcome) -> None:
    error: Json = {"code": code, "message": "why", "stage": "extract", "traceback": "where"}

    graded = read_graded({"scores": {"score": 1.0}, "error": error})

    assert graded.failure == Failure(outcome, code, "why")
    assert (graded.stage, graded.traceback) == ("extract", "where")
    assert dict(graded.scores) == {}


@pytest.mark.parametrize("code", ["jail_lost", "sandbox_violation", "output_limit", "nonsense"])
def test_a_code_that_only_the_host_may_give_becomes_an_error_of_the_grader(code: str) -> None:
    assert read_error({"code": code}).outcome is Outcome.GRADER_ERROR


def test_long_texts_of_an_error_are_cut_and_an_odd_stage_is_the_score() -> None:
    graded = read_graded(
        {"error": {"code": "x", "message": "m" * 9_999, "traceback": "t" * 9_999, "stage": "moon"}}
    )

    assert graded.failure is not None
    assert len(graded.failure.message) == 2_000
    assert len(graded.traceback) == 4_000
    assert graded.stage == "score"


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "scored",
        {},
        {"scores": None},
        {"scores": []},
        {"scores": {"score": True}},
        {"scores": {"score": "1"}},
        {"scores": {"score": None}},
        {"scores": {"": 1}},
        {"scores": {"a" * 129: 1}},
        {"scores": {f"m{number}": 1 for number in range(1_001)}},
        {"scores": {"score": 2**53 + 1}},
        {"scores": {"score": -(2**60)}},
        {"scores": {}, "extracted_output": 1},
        {"scores": {}, "judge": "good"},
        {"scores": {}, "error": "bad"},
        {"scores": {}, "error": {"code": 1}},
        {"scores": {}, "error": {"code": "x", "message": []}},
        {"scores": {}, "error": {"code": "x", "traceback": 1}},
        {"scores": {}, "error": {"code": "x", "stage": 1}},
    ],
)
def test_anything_else_is_no_result(value: Json) -> None:
    with pytest.raises(InvalidResult):
        read_graded(value)


def test_numbers_that_are_not_finite_are_no_scores() -> None:
    with pytest.raises(InvalidResult):
        read_scores({"score": float("nan")})


def test_what_a_failed_execution_printed_is_kept_beside_its_judge() -> None:
    graded = Graded(judge={"reason": "x"}, failure=FAILURE).with_output("out", "")

    assert graded.judge == {"reason": "x", "stdout": "out"}


def test_what_a_good_execution_printed_is_dropped() -> None:
    assert Graded(scores={"score": 1}).with_output("out", "err").judge is None


def test_a_silent_failure_has_no_judge() -> None:
    assert failed(FAILURE).with_output("", "").judge is None
