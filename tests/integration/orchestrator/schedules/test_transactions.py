"""A fire stands or falls with the schedule as it was read."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from integration.orchestrator.schedules.scheduling import (
    ALLOW_ALL,
    BUFFER_ONE,
    change,
    create,
    create_suite,
    get,
    make_due,
    runs_of,
    trigger,
)
from integration.orchestrator.world import World
from orchestrator.app import SCHEMA
from orchestrator.domain.run import RunRequest
from orchestrator.domain.schedules.firing import Step
from orchestrator.domain.schedules.schedule import FireFailure, Schedule
from orchestrator.domain.suite import SuiteNotFound, VersionRef
from orchestrator.inbound.run_wire import run_from
from orchestrator.outbound.postgres.messages import RunAnnouncer
from orchestrator.outbound.postgres.schedules import schedules
from orchestrator.outbound.postgres.schedules.firings import PostgresFirings
from orchestrator.ports.schedules import AdmittedRun
from orchestrator.usecases.schedules.starts import caller_of
from pgstore.database import Database
from proctor.schedules.v1 import schedule_service_pb2 as pb
from proctor.schedules.v1.schedule_pb2 import Schedule as WireSchedule
from proctor.suites.v1 import suite_service_pb2
from servicekit.caller import calling_as
from servicekit.clock import SystemClock, utc_now
from servicekit.errors import ServiceError
from servicekit.ids import new_id

START = Step(starts=True, buffered=False)
# Nothing fires by itself here.
IDLE = {"schedules_period_s": 60}

pytestmark = pytest.mark.timeout(120)


@dataclass
class Firing:
    """A replica that fires by hand."""

    world: World
    firings: PostgresFirings

    async def claimed(self) -> Schedule:
        now = utc_now()
        (schedule,) = await self.firings.claim(now=now, until=now + timedelta(seconds=30), limit=16)
        return schedule

    async def run(self, schedule: Schedule) -> AdmittedRun:
        (version,) = await self.world.query(
            "SELECT suite_version_id FROM suite_versions WHERE suite_id = $1", schedule.suite_id
        )
        request = RunRequest(
            models=["model-a"],
            task_ids=None,
            judge_model=None,
            embedding_model=None,
            generation_json=b"{}",
            generation_concurrency=1,
            grader_concurrency=1,
            max_samples_per_task=None,
            metadata={},
        )
        reference = VersionRef(
            id=version["suite_version_id"],
            suite_id=schedule.suite_id,
            version=1,
            task_ids=["task"],
        )
        return AdmittedRun(
            run_id=new_id("eval_run"),
            caller=caller_of(schedule.owner),
            request=request,
            version=reference,
            token="token",  # noqa: S106 -- of a test
        )

    async def start(self, schedule: Schedule) -> bool:
        following = schedule.next_after(utc_now())
        return await self.firings.start(schedule, await self.run(schedule), START, following)


@asynccontextmanager
async def firing(world: World) -> AsyncIterator[tuple[Firing, WireSchedule]]:
    """A schedule that is due, and somebody to fire it."""
    async with (
        world.neighbours(),
        world.orchestrator(**IDLE),
        Database.connect(world.postgres_dsn, schema=SCHEMA, pool_size=4) as database,
    ):
        world.bridge.may_answer.clear()
        firings = PostgresFirings(database, RunAnnouncer(run_from), SystemClock())
        schedule = await create(world, await create_suite(world))
        await make_due(world, schedule.schedule_id)
        yield Firing(world, firings), schedule


async def test_a_claimed_schedule_is_nobody_elses(world: World) -> None:
    async with firing(world) as (replica, _):
        await replica.claimed()

        now = utc_now()
        assert await replica.firings.claim(now=now, until=now, limit=16) == []
        later = now + timedelta(seconds=31)
        assert len(await replica.firings.claim(now=later, until=later, limit=16)) == 1


async def test_a_time_is_fired_once_also_by_two_who_both_read_it(world: World) -> None:
    async with firing(world) as (replica, schedule):
        # An unfinished run alone does not stop it.
        await change(world, schedule.schedule_id, overlap_policy=ALLOW_ALL)
        read = await replica.claimed()

        assert await replica.start(read)
        assert not await replica.start(read)

        assert len(await runs_of(world, schedule.schedule_id)) == 1


async def test_a_schedule_that_was_changed_meanwhile_is_not_fired_as_it_was(world: World) -> None:
    async with firing(world) as (replica, schedule):
        read = await replica.claimed()
        await change(world, schedule.schedule_id, enabled=False)

        assert not await replica.start(read)
        await replica.firings.put_off(read, buffered=False, next_run_at=utc_now())
        await replica.firings.fail(read, FireFailure("no", "no"), START, utc_now())

        after = await get(world, schedule.schedule_id)
        assert not after.HasField("next_run_time")
        assert not after.HasField("last_error")
        assert await runs_of(world, schedule.schedule_id) == []


async def test_a_trigger_that_came_first_is_met_by_the_policy(world: World) -> None:
    async with firing(world) as (replica, schedule):
        read = await replica.claimed()
        await trigger(world, schedule.schedule_id)

        assert not await replica.start(read)

        assert len(await runs_of(world, schedule.schedule_id)) == 1
        # Nobody has it any more, so it is looked at again at once.
        assert (await replica.claimed()).id == schedule.schedule_id


async def test_a_suite_that_was_deleted_meanwhile_has_no_more_runs(world: World) -> None:
    async with firing(world) as (replica, schedule):
        read = await replica.claimed()
        with calling_as(world.caller):
            request = suite_service_pb2.DeleteSuiteRequest(suite_id=schedule.suite_id)
            await world.suites.DeleteSuite(request)

        with pytest.raises(SuiteNotFound):
            await replica.start(read)

        assert (await get(world, schedule.schedule_id)).fields.enabled is False


async def test_another_policy_forgets_the_remembered_start(world: World) -> None:
    async with firing(world) as (replica, schedule):
        await change(world, schedule.schedule_id, overlap_policy=BUFFER_ONE)
        read = await replica.claimed()
        await replica.firings.put_off(read, buffered=True, next_run_at=read.next_after(utc_now()))
        assert (await replica.claimed()).buffered

        await change(world, schedule.schedule_id, "overlap_policy")

        (row,) = await world.query("SELECT overlap_policy, buffered FROM schedules")
        assert (row["overlap_policy"], row["buffered"]) == ("skip", False)


async def test_the_secret_is_forgotten_with_the_schedule(world: World) -> None:
    async with firing(world) as (_, schedule):
        await change(
            world,
            schedule.schedule_id,
            webhook_url="https://example.org",
            webhook_secret="hidden",  # noqa: S106 -- of a test
        )
        with calling_as(world.caller):
            answer = await world.schedules.GetSchedule(
                pb.GetScheduleRequest(schedule_id=schedule.schedule_id)
            )
            assert "hidden" not in str(answer)
            await world.schedules.DeleteSchedule(
                pb.DeleteScheduleRequest(schedule_id=schedule.schedule_id)
            )

        rows = await world.query("SELECT s::text AS row FROM schedules s")
        assert len(rows) == 1
        assert "hidden" not in json.dumps([row["row"] for row in rows])


async def test_a_team_has_so_many_schedules_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "SCHEDULES_MAX", 1)
    async with firing(world) as (_, schedule):
        with pytest.raises(ServiceError) as caught:
            await create(world, schedule.suite_id)

        assert caught.value.reason == "TOO_MANY_SCHEDULES"
