import asyncio

from orchestrator.usecases.sweep import Sweeper
from unit.orchestrator.usecases.fakes import Away, FakeLeases


async def test_it_looks_again_and_again_whatever_happens() -> None:
    leases = FakeLeases(swept=[0, Away(), ValueError("a mistake"), 3])
    async with asyncio.TaskGroup() as tasks:
        sweeping = tasks.create_task(Sweeper(leases, period_s=5).run())
        await asyncio.sleep(17)
        sweeping.cancel()

    assert leases.swept == []
