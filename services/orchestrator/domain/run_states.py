"""Where a run is in its life and what may happen to it there: the state machine in one table."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from servicekit.errors import Kind, ServiceError


class RunState(StrEnum):
    """Where a run is in its life; the same words in REST, on the wire and in the table."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class RunEvent(StrEnum):
    """What can happen to a run."""

    START = "start"
    SAMPLES_ENDED = "samples_ended"
    FINISH = "finish"
    FAIL = "fail"
    CANCEL = "cancel"
    DRAINED = "drained"
    RERUN_FAILED = "rerun_failed"
    RETRY = "retry"
    ADD_TRIALS = "add_trials"


class RunStateConflict(ServiceError):
    """Something happened to a run in a state in which it cannot happen; nothing was changed."""

    kind = Kind.FAILED_PRECONDITION
    reason = "RUN_STATE_CONFLICT"


class RunNotCancellable(RunStateConflict):
    """The run has already completed or failed."""

    reason = "RUN_NOT_CANCELLABLE"


class RunNotCompleted(RunStateConflict):
    """Only a completed run has failed samples to run again."""

    reason = "RUN_NOT_COMPLETED"


class NoFailedSamples(RunStateConflict):
    """The run is completed and has no failed samples to run again."""

    reason = "NO_FAILED_SAMPLES"


class RunNotRetryable(RunStateConflict):
    """Only a failed or cancelled run can be resumed."""

    reason = "RUN_NOT_RETRYABLE"


class RunNotOpen(RunStateConflict):
    """The recorded run takes no trials any more."""

    reason = "RUN_NOT_OPEN"


ENDED = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED})

TRANSITIONS: Mapping[tuple[RunState, RunEvent], RunState] = MappingProxyType(
    {
        (RunState.QUEUED, RunEvent.START): RunState.IN_PROGRESS,
        (RunState.IN_PROGRESS, RunEvent.SAMPLES_ENDED): RunState.FINALIZING,
        (RunState.FINALIZING, RunEvent.FINISH): RunState.COMPLETED,
        (RunState.QUEUED, RunEvent.FAIL): RunState.FAILED,
        (RunState.IN_PROGRESS, RunEvent.FAIL): RunState.FAILED,
        (RunState.FINALIZING, RunEvent.FAIL): RunState.FAILED,
        # Nothing is in flight before a run is prepared, so there is nothing to drain.
        (RunState.QUEUED, RunEvent.CANCEL): RunState.CANCELLED,
        (RunState.IN_PROGRESS, RunEvent.CANCEL): RunState.CANCELLING,
        (RunState.FINALIZING, RunEvent.CANCEL): RunState.CANCELLING,
        # The public client repeats POSTs, so a second cancel is no error.
        (RunState.CANCELLING, RunEvent.CANCEL): RunState.CANCELLING,
        (RunState.CANCELLED, RunEvent.CANCEL): RunState.CANCELLED,
        (RunState.CANCELLING, RunEvent.DRAINED): RunState.CANCELLED,
        (RunState.COMPLETED, RunEvent.RERUN_FAILED): RunState.QUEUED,
        (RunState.FAILED, RunEvent.RETRY): RunState.QUEUED,
        (RunState.CANCELLED, RunEvent.RETRY): RunState.QUEUED,
        # Only of recorded runs. One whose results could not be written can be completed again.
        (RunState.IN_PROGRESS, RunEvent.ADD_TRIALS): RunState.IN_PROGRESS,
        (RunState.FAILED, RunEvent.ADD_TRIALS): RunState.IN_PROGRESS,
    }
)

_REFUSALS: Mapping[RunEvent, tuple[type[RunStateConflict], str]] = MappingProxyType(
    {
        RunEvent.CANCEL: (RunNotCancellable, "a run that has ended cannot be cancelled"),
        RunEvent.RERUN_FAILED: (
            RunNotCompleted,
            "only a completed run is run again where it failed, and others are retried",
        ),
        RunEvent.RETRY: (
            RunNotRetryable,
            "only a failed or cancelled run can be retried, and a completed one is rerun",
        ),
        RunEvent.ADD_TRIALS: (RunNotOpen, "a run that is no longer open takes no trials"),
    }
)


def next_state(state: RunState, event: RunEvent) -> RunState:
    """Return the state of a run after `event`.

    Raises:
        RunStateConflict: it cannot happen in `state`; a caller's own events have subclasses of it.
    """
    after = TRANSITIONS.get((state, event))
    if after is None:
        ours = (RunStateConflict, f"there is no {event} for a run")
        refusal, rule = _REFUSALS.get(event, ours)
        raise refusal(f"{rule}; this one is {state}", state=state, event=event)
    return after
