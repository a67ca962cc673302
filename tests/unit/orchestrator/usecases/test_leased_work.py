import asyncio

import pytest

from orchestrator.domain.failure import Failure, RunFailed
from orchestrator.domain.work import LeaseLost
from orchestrator.usecases.keep_leases import LeaseKeeper
from orchestrator.usecases.leased_work import MISHAPS_MAX, LeasedWork
from unit.orchestrator.usecases.fakes import LEASE, Away, FakeLeases, FakeSteps

FAILURE = Failure(code="dataset_error", message="no", stage="prepare")


class Work:
    """Leased work over fakes."""

    def __init__(self) -> None:
        self.leases, self.steps = FakeLeases(), FakeSteps()
        keeper = LeaseKeeper(self.leases, heartbeat_s=3)
        self._leased = LeasedWork(self.leases, self.steps, keeper)

    async def do(self, *errors: BaseException) -> None:
        async with self._leased.under(LEASE, stage="prepare"):
            if len(errors) == 1:
                raise errors[0]
            if errors:
                raise BaseExceptionGroup("several", errors)


async def test_work_that_succeeds_leaves_the_lease_to_whoever_finished_it() -> None:
    work = Work()

    await work.do()

    assert (work.leases.released, work.steps.failures) == ([], [])


async def test_a_lost_lease_ends_the_work_quietly_and_is_given_back_in_case_it_is_ours() -> None:
    work = Work()

    await work.do(LeaseLost(LEASE))
    await work.do(ExceptionGroup("from a task group", [LeaseLost(LEASE)]))

    assert (work.leases.released, work.steps.failures) == ([False, False], [])


async def test_a_failed_run_ends_with_its_reason() -> None:
    work = Work()

    await work.do(ExceptionGroup("from a task group", [RunFailed(FAILURE)]))

    assert work.steps.failures == [FAILURE]


async def test_a_run_that_failed_while_somebody_else_took_it_is_left_to_them() -> None:
    work = Work()
    work.steps.lost = True

    await work.do(RunFailed(FAILURE))

    assert work.steps.failures == []


async def test_a_part_that_is_away_gives_the_lease_back_without_counting() -> None:
    work = Work()

    for _ in range(MISHAPS_MAX + 1):
        with pytest.raises(Away):
            await work.do(Away())

    assert work.leases.released == [False] * (MISHAPS_MAX + 1)
    assert work.steps.failures == []


async def test_a_mistake_that_comes_again_and_again_ends_the_run() -> None:
    work = Work()

    for _ in range(MISHAPS_MAX - 1):
        with pytest.raises(ExceptionGroup):
            await work.do(Away(), ValueError("a mistake"))
    await work.do(ValueError("a mistake"))

    (failure,) = work.steps.failures
    assert (failure.code, failure.stage) == ("internal", "prepare")
    assert "mistake" not in failure.message


async def test_stopped_it_gives_the_lease_back() -> None:
    work = Work()

    with pytest.raises(asyncio.CancelledError):
        await work.do(asyncio.CancelledError())

    assert work.leases.released == [False]


async def test_stopped_without_postgres_it_stops_all_the_same() -> None:
    work = Work()
    work.leases.release_trouble = Away()

    with pytest.raises(asyncio.CancelledError):
        await work.do(asyncio.CancelledError())
