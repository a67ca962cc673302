import pytest

from orchestrator.domain.run_states import (
    ENDED,
    TRANSITIONS,
    RunEvent,
    RunNotCancellable,
    RunNotCompleted,
    RunNotRetryable,
    RunState,
    RunStateConflict,
    next_state,
)
from servicekit.errors import Kind


def test_a_run_goes_from_queued_to_completed() -> None:
    state = RunState.QUEUED
    for event in (RunEvent.START, RunEvent.SAMPLES_ENDED, RunEvent.FINISH):
        state = next_state(state, event)

    assert state is RunState.COMPLETED


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.IN_PROGRESS, RunState.FINALIZING])
def test_an_unfinished_run_can_fail(state: RunState) -> None:
    assert next_state(state, RunEvent.FAIL) is RunState.FAILED


def test_a_queued_run_is_cancelled_at_once_and_a_working_one_drains_first() -> None:
    assert next_state(RunState.QUEUED, RunEvent.CANCEL) is RunState.CANCELLED
    assert next_state(RunState.IN_PROGRESS, RunEvent.CANCEL) is RunState.CANCELLING
    assert next_state(RunState.CANCELLING, RunEvent.DRAINED) is RunState.CANCELLED


@pytest.mark.parametrize("state", [RunState.CANCELLING, RunState.CANCELLED])
def test_cancelling_twice_changes_nothing(state: RunState) -> None:
    assert next_state(state, RunEvent.CANCEL) is state


@pytest.mark.parametrize("state", [RunState.COMPLETED, RunState.FAILED])
def test_an_ended_run_cannot_be_cancelled(state: RunState) -> None:
    with pytest.raises(RunNotCancellable) as refused:
        next_state(state, RunEvent.CANCEL)

    assert refused.value.kind is Kind.FAILED_PRECONDITION
    assert refused.value.metadata == {"state": state, "event": "cancel"}


def test_only_a_completed_run_has_failed_samples_to_run_again() -> None:
    assert next_state(RunState.COMPLETED, RunEvent.RERUN_FAILED) is RunState.QUEUED
    with pytest.raises(RunNotCompleted):
        next_state(RunState.FAILED, RunEvent.RERUN_FAILED)


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED])
def test_a_failed_or_cancelled_run_can_be_retried(state: RunState) -> None:
    assert next_state(state, RunEvent.RETRY) is RunState.QUEUED


def test_a_completed_run_cannot_be_retried() -> None:
    with pytest.raises(RunNotRetryable):
        next_state(RunState.COMPLETED, RunEvent.RETRY)


def test_what_only_we_do_is_refused_plainly() -> None:
    with pytest.raises(RunStateConflict, match="no start for a run; this one is completed"):
        next_state(RunState.COMPLETED, RunEvent.START)


def test_an_ended_run_moves_only_when_somebody_asks_for_it() -> None:
    asked = {RunEvent.CANCEL, RunEvent.RERUN_FAILED, RunEvent.RETRY, RunEvent.ADD_TRIALS}
    leaving = {event for state, event in TRANSITIONS if state in ENDED}

    assert leaving <= asked


def test_nothing_but_the_stop_itself_can_happen_to_a_run_that_is_being_cancelled() -> None:
    possible = {event for state, event in TRANSITIONS if state is RunState.CANCELLING}

    assert possible == {RunEvent.CANCEL, RunEvent.DRAINED}
