import asyncio
from contextlib import suppress
from typing import Any, cast

import pytest

from orchestrator.domain.run_states import RunNotCancellable
from orchestrator.domain.work import LeaseLost
from orchestrator.ports.stores import RunChanges
from orchestrator.usecases.keep_leases import LeaseKeeper
from orchestrator.usecases.stop_runs import StopRuns
from servicekit.caller import Caller
from unit.orchestrator.usecases.fakes import LEASE, FakeLeases, run

CALLER = Caller(org_id="org", team_id="team")
LONG_S = 10_000.0


class Changes:
    """Takes the lease of the one run there is away, as a cancelled run loses it."""

    def __init__(self, leases: FakeLeases) -> None:
        self._leases = leases
        self.refusal: Exception | None = None

    async def cancel(self, caller: Caller, run_id: str) -> Any:
        await self._stop()
        return run()

    async def delete(self, caller: Caller, run_id: str) -> None:
        await self._stop()

    async def delete_suite(self, caller: Caller, suite_id: str) -> int:
        await self._stop()
        return 1

    async def _stop(self) -> None:
        if self.refusal:
            raise self.refusal
        self._leases.lost.add(LEASE)


@pytest.mark.parametrize("stop", ["cancel", "delete", "delete_suite"])
async def test_work_of_this_process_stops_before_its_next_heartbeat(stop: str) -> None:
    leases = FakeLeases()
    keeper = LeaseKeeper(leases, heartbeat_s=LONG_S)
    stop_runs = StopRuns(cast("RunChanges", Changes(leases)), keeper)
    now = asyncio.get_running_loop().time
    began = now()

    async def work() -> None:
        with suppress(LeaseLost):
            async with keeper.holding(LEASE):
                await asyncio.sleep(LONG_S)

    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(keeper.run())
        working = tasks.create_task(work())
        await asyncio.sleep(1)
        await getattr(stop_runs, stop)(CALLER, "id")
        await working
        keeping.cancel()

    assert now() - began < LONG_S


async def test_work_that_was_being_taken_when_the_run_was_stopped_stops_as_fast() -> None:
    leases = FakeLeases()
    keeper = LeaseKeeper(leases, heartbeat_s=LONG_S)
    stop_runs = StopRuns(cast("RunChanges", Changes(leases)), keeper)
    now = asyncio.get_running_loop().time
    began = now()

    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(keeper.run())
        await stop_runs.cancel(CALLER, "id")
        await asyncio.sleep(1)
        with pytest.raises(LeaseLost):
            async with keeper.holding(LEASE):
                await asyncio.sleep(LONG_S)
        keeping.cancel()

    assert now() - began < LONG_S


async def test_a_refusal_is_passed_on() -> None:
    leases = FakeLeases()
    changes = Changes(leases)
    changes.refusal = RunNotCancellable("completed")
    stop_runs = StopRuns(cast("RunChanges", changes), LeaseKeeper(leases, heartbeat_s=LONG_S))

    with pytest.raises(RunNotCancellable):
        await stop_runs.cancel(CALLER, "id")
