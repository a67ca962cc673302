import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from orchestrator.domain.sharding import Share
from orchestrator.domain.work import Lease, LeaseLost
from orchestrator.usecases.keep_leases import LeaseKeeper
from unit.orchestrator.usecases.fakes import LEASE, SHARE, Away, FakeLeases


@asynccontextmanager
async def keeping(leases: FakeLeases) -> AsyncIterator[LeaseKeeper]:
    keeper = LeaseKeeper(leases, heartbeat_s=3)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(keeper.run())
        yield keeper
        running.cancel()


async def test_a_lease_is_renewed_while_its_work_goes_on_and_not_after() -> None:
    leases = FakeLeases()
    async with keeping(leases) as keeper:
        async with keeper.holding(LEASE):
            await asyncio.sleep(10)
        await asyncio.sleep(10)

    assert leases.renewals == 3


async def test_work_ends_when_its_lease_is_lost() -> None:
    leases = FakeLeases()
    async with keeping(leases) as keeper:
        with pytest.raises(LeaseLost):
            async with keeper.holding(LEASE):
                leases.lost.add(LEASE)
                await asyncio.sleep(10)
        assert asyncio.get_running_loop().time() == pytest.approx(3)


async def test_a_lease_that_its_own_work_ends_is_not_lost() -> None:
    leases = FakeLeases()
    with capture_logs() as logs:
        async with keeping(leases) as keeper, keeper.holding(LEASE) as held:
            held.let_go()
            leases.lost.add(LEASE)  # the last write is done, its answer is on its way
            await asyncio.sleep(10)

    assert leases.renewals == 3
    assert [line for line in logs if line["event"] == "lease_lost"] == []


async def test_work_goes_on_while_leases_cannot_be_renewed() -> None:
    leases = FakeLeases(trouble=[Away(), TimeoutError(), ValueError("a mistake")])
    async with keeping(leases) as keeper, keeper.holding(LEASE):
        await asyncio.sleep(13)

    assert leases.renewals == 4


async def test_a_larger_share_is_told_to_whoever_asked() -> None:
    leases, heard = FakeLeases(share=SHARE), list[Share]()
    async with keeping(leases) as keeper, keeper.holding(LEASE, SHARE) as held:
        await asyncio.sleep(4)
        leases.share = Share(generation=3, grader=3)
        await asyncio.sleep(3)
        held.on_share = heard.append
        leases.share = Share(generation=4, grader=4)
        keeper.hurry()
        await asyncio.sleep(0.1)

        assert heard == [Share(generation=4, grader=4)]
        assert held.share == heard[0]


async def test_a_timeout_of_the_work_itself_is_no_lost_lease() -> None:
    async with keeping(FakeLeases()) as keeper:
        with pytest.raises(TimeoutError):
            async with keeper.holding(LEASE), asyncio.timeout(1):
                await asyncio.sleep(5)
        with pytest.raises(TimeoutError):
            async with keeper.holding(LEASE):
                raise TimeoutError


async def test_work_that_ended_during_a_renewal_is_left_alone() -> None:
    class SlowLeases(FakeLeases):
        async def renew(self, leases: Collection[Lease]) -> Mapping[Lease, Share | None]:
            await answered.wait()
            return await super().renew(leases)

    leases, answered = SlowLeases(lost={LEASE}), asyncio.Event()
    async with keeping(leases) as keeper:
        async with keeper.holding(LEASE):
            await asyncio.sleep(3.5)
        answered.set()
        await asyncio.sleep(0.1)

    assert leases.renewals == 1
