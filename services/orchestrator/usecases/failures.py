"""Telling kinds of failure apart: a run's own, another's absence, and mistakes of ours."""

from collections.abc import Callable

from orchestrator.domain.failure import Failure, RunFailed, run_failure_code
from orchestrator.domain.work import LeaseLost
from servicekit.causes import causes
from servicekit.errors import Kind, ServiceError

# Whatever these say passes without anybody's doing; a repetition is the answer to all of them.
_PASSING = frozenset(
    {
        Kind.UNAVAILABLE,
        Kind.DEADLINE_EXCEEDED,
        Kind.ABORTED,
        Kind.CANCELLED,
    }
)


def lost_lease(error: BaseException) -> bool:
    """Tell whether the work ended because somebody else does it now."""
    return any(isinstance(cause, LeaseLost) for cause in causes(error))


def run_failure(error: BaseException) -> Failure | None:
    """Return why the run itself failed, when that is what the error says."""
    return next((c.failure for c in causes(error) if isinstance(c, RunFailed)), None)


def is_passing(error: BaseException) -> bool:
    """Tell whether the error is all about parts that are away for now."""
    return all(
        isinstance(cause, TimeoutError)
        or (isinstance(cause, ServiceError) and cause.kind in _PASSING)
        for cause in causes(error)
    )


def as_run_failure(
    error: ServiceError, *, stage: str, about: Callable[[Failure], RunFailed] = RunFailed
) -> Exception:
    """Turn another service's refusal into the run's failure, or return it when it is not that.

    `about` says what the failure is about.
    """
    code = run_failure_code(error.reason)
    if code is None or error.kind in _PASSING:
        return error
    return about(Failure(code=code, message=error.message, stage=stage))


def failed_with(failure: Failure, *, subject: str) -> RunFailed:
    """Return the run's failure with what it is about said first."""
    message = f"{subject}: {failure.message}"
    return RunFailed(Failure(code=failure.code, message=message, stage=failure.stage))
