import pytest

from orchestrator.domain.failure import Failure, RunFailed
from orchestrator.usecases.failures import as_run_failure, is_passing, run_failure
from servicekit.errors import Kind, RemoteError
from unit.orchestrator.usecases.fakes import Away, Refused


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (Away(), True),
        (TimeoutError(), True),
        (ExceptionGroup("tasks", [Away(), ExceptionGroup("more", [TimeoutError()])]), True),
        (ExceptionGroup("tasks", [Away(), Refused()]), False),
        (Refused(), False),
        (ValueError(), False),
    ],
)
def test_only_what_passes_by_itself_is_passing(error: Exception, passing: bool) -> None:  # noqa: FBT001
    assert is_passing(error) is passing


def refusal(reason: str, kind: Kind = Kind.FAILED_PRECONDITION) -> RemoteError:
    return RemoteError("no", kind=kind, reason=reason)


def test_a_refusal_of_the_tenants_making_fails_the_run() -> None:
    failed = as_run_failure(refusal("EMPTY_DATASET"), stage="prepare")

    assert run_failure(failed) == Failure(code="empty_dataset", message="no", stage="prepare")


@pytest.mark.parametrize("error", [refusal("WHATEVER"), refusal("EMPTY_DATASET", Kind.UNAVAILABLE)])
def test_any_other_refusal_stays_what_it_is(error: RemoteError) -> None:
    assert as_run_failure(error, stage="prepare") is error
    assert run_failure(error) is None


def test_a_failed_run_is_found_among_other_troubles() -> None:
    failure = Failure(code="internal", message="no", stage="prepare")

    assert run_failure(ExceptionGroup("tasks", [Away(), RunFailed(failure)])) == failure
