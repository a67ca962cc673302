import pytest

from orchestrator.domain.failure import Failure
from orchestrator.domain.outcomes import (
    Generated,
    Graded,
    Outcome,
    SampleChanges,
    failure_code,
    lost_for_good,
    too_large,
)
from orchestrator.domain.sample import SampleState

FAILURE = Failure(code="model_error", message="no", stage="generate")


def test_an_output_makes_a_sample_ready_to_score() -> None:
    assert Generated(sample_index=0, output_text="").state is SampleState.READY_TO_SCORE
    assert Generated(sample_index=0, failure=FAILURE).state is SampleState.FAILED


def test_a_score_completes_a_sample() -> None:
    scored = Graded(sample_index=0, outcome=Outcome.SCORED, scores_json="{}")

    assert scored.state is SampleState.COMPLETED


@pytest.mark.parametrize(
    ("outcome", "scores", "failure"),
    [
        (Outcome.SCORED, None, None),
        (Outcome.SCORED, "{}", FAILURE),
        (Outcome.TIMEOUT, None, None),
        (Outcome.TIMEOUT, "{}", FAILURE),
    ],
)
def test_a_grading_is_either_scored_or_failed(
    outcome: Outcome, scores: str | None, failure: Failure | None
) -> None:
    with pytest.raises(AssertionError):
        Graded(sample_index=0, outcome=outcome, scores_json=scores, failure=failure)


def test_a_grader_that_says_what_went_wrong_is_believed() -> None:
    assert failure_code(Outcome.GRADER_ERROR, "regex_timeout") == "regex_timeout"
    assert failure_code(Outcome.TIMEOUT, "") == "grader_timeout"


def test_every_outcome_but_a_score_has_a_code() -> None:
    assert all(failure_code(outcome, "") for outcome in Outcome if outcome is not Outcome.SCORED)


def test_a_sample_whose_jail_is_lost_for_good_says_whose_failure_that_is() -> None:
    lost = lost_for_good(3)

    assert lost.state is SampleState.FAILED
    assert lost.failure is not None
    assert lost.failure.code == "grader_unavailable"


def test_a_result_replaces_the_mark_that_came_before_it() -> None:
    changes = SampleChanges(
        generated={1: Generated(sample_index=1)},
        graded={2: Graded(sample_index=2, outcome=Outcome.SCORED, scores_json="{}")},
        generating={1, 3},
        scoring={2, 4},
    )

    changes.settle()

    assert (changes.generating, changes.scoring) == ({3}, {4})
    assert changes.results == 2


def test_no_changes_are_falsy_and_marks_are_changes() -> None:
    assert not SampleChanges()
    assert SampleChanges(generating={1})


def test_a_sample_too_large_to_travel_fails_in_score() -> None:
    graded = too_large(3)

    assert graded.state is SampleState.FAILED
    assert graded.failure is not None
    assert (graded.failure.code, graded.failure.stage) == ("sample_too_large", "score")
