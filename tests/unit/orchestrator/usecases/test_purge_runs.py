import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from orchestrator.usecases.purge_runs import RunPurger
from unit.orchestrator.usecases.fakes import Away


@dataclass
class FakePurges:
    """What each look finds; an exception is raised."""

    found: list[bool | Exception]
    asked: list[timedelta] = field(default_factory=list)

    async def purge(self, *, kept: timedelta) -> bool:
        self.asked.append(kept)
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


async def test_everything_that_is_due_goes_in_one_round() -> None:
    purges = FakePurges([True, True, False, True])

    await RunPurger(purges, kept=timedelta(days=30), period_s=60).purge()

    assert purges.asked == [timedelta(days=30)] * 3


async def test_it_looks_again_and_again_whatever_happens() -> None:
    purges = FakePurges([True, Away(), ValueError("a mistake"), False, False])

    async with asyncio.TaskGroup() as tasks:
        purging = tasks.create_task(RunPurger(purges, kept=timedelta(1), period_s=5).run())
        await asyncio.sleep(17)
        purging.cancel()

    assert purges.found == []
