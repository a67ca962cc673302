"""Schedules fire when their time has come: once, with the right key, and as the policy says."""

import asyncio
import json

import pytest

from integration.orchestrator.schedules.scheduling import (
    ALLOW_ALL,
    BUFFER_ONE,
    QUICK,
    SKIP,
    change,
    create,
    create_suite,
    get,
    make_due,
    runs_of,
    trigger,
    until_moved_on,
    until_runs,
)
from integration.orchestrator.world import World, running, task
from orchestrator.app import build
from proctor.runs.v1 import run_pb2
from proctor.suites.v1 import suite_service_pb2
from servicekit.caller import calling_as
from servicekit.clock import utc_now

pytestmark = pytest.mark.timeout(180)


async def test_a_due_schedule_starts_a_run_for_whoever_made_it(world: World) -> None:
    async with world.neighbours(), world.orchestrator(**QUICK):
        schedule = await create(world, await create_suite(world), grant="grant of key")
        assert schedule.next_run_time.ToDatetime() > utc_now().replace(tzinfo=None)

        await make_due(world, schedule.schedule_id)
        (run,) = await until_runs(world, schedule.schedule_id, 1)

        ended = await world.ended(run.run_id)
        assert ended.state == run_pb2.RUN_STATE_COMPLETED
        assert ended.schedule_id == schedule.schedule_id
        (stored,) = await world.query("SELECT on_behalf_of FROM runs WHERE run_id = $1", run.run_id)
        assert stored["on_behalf_of"] == "somebody"
        ((caller, admitted),) = world.admission.asked
        assert (caller.key_id, caller.team_id) == ("key", "team")
        assert (admitted.grant, admitted.run_id) == ("grant of key", run.run_id)
        after = await get(world, schedule.schedule_id)
        assert after.last_run_id == run.run_id
        assert after.last_run_state == run_pb2.RUN_STATE_COMPLETED


async def test_times_that_passed_while_nobody_looked_fire_once(world: World) -> None:
    async with world.neighbours():
        async with world.orchestrator(**QUICK):
            schedule = await create(world, await create_suite(world), interval_seconds=3600)
        await make_due(world, schedule.schedule_id, hours=50.5)

        async with world.orchestrator(**QUICK):
            (run,) = await until_runs(world, schedule.schedule_id, 1)
            after = await until_moved_on(world, schedule.schedule_id)

            await world.ended(run.run_id)
            assert len(await runs_of(world, schedule.schedule_id)) == 1
            # Still on the grid that began when it was made.
            begun, following = schedule.next_run_time.seconds, after.next_run_time.seconds
            assert (following - begun) % 3600 == 0


async def test_three_replicas_fire_each_time_once(world: World) -> None:
    async with world.neighbours(), world.orchestrator(**QUICK):
        suite_id = await create_suite(world)
        schedules = [await create(world, suite_id) for _ in range(12)]
        async with (
            build(world.settings(**QUICK)) as second,
            running(*second),
            build(world.settings(**QUICK)) as third,
            running(*third),
        ):
            for schedule in schedules:
                await make_due(world, schedule.schedule_id)
            for schedule in schedules:
                await until_moved_on(world, schedule.schedule_id)
                await until_runs(world, schedule.schedule_id, 1)


async def test_skip_starts_nothing_while_a_run_is_unfinished(world: World) -> None:
    async with world.neighbours(), world.orchestrator(**QUICK):
        schedule = await create(world, await create_suite(world), overlap_policy=SKIP)
        world.bridge.may_answer.clear()
        await make_due(world, schedule.schedule_id)
        (first,) = await until_runs(world, schedule.schedule_id, 1)

        await make_due(world, schedule.schedule_id)
        await until_moved_on(world, schedule.schedule_id)
        world.bridge.may_answer.set()
        await world.ended(first.run_id)

        assert len(await runs_of(world, schedule.schedule_id)) == 1
        await make_due(world, schedule.schedule_id)
        await until_runs(world, schedule.schedule_id, 2)


async def test_buffer_one_remembers_one_start_however_often_it_was_due(world: World) -> None:
    async with world.neighbours(), world.orchestrator(**QUICK):
        schedule = await create(world, await create_suite(world), overlap_policy=BUFFER_ONE)
        world.bridge.may_answer.clear()
        await make_due(world, schedule.schedule_id)
        (first,) = await until_runs(world, schedule.schedule_id, 1)
        for _ in range(3):
            await make_due(world, schedule.schedule_id)
            await until_moved_on(world, schedule.schedule_id)
        assert len(await runs_of(world, schedule.schedule_id)) == 1

        world.bridge.may_answer.set()
        await world.ended(first.run_id)
        second, _ = await until_runs(world, schedule.schedule_id, 2)

        await world.ended(second.run_id)
        (row,) = await world.query("SELECT buffered FROM schedules")
        assert row["buffered"] is False
        assert len(await runs_of(world, schedule.schedule_id)) == 2


async def test_allow_all_starts_a_run_beside_an_unfinished_one(world: World) -> None:
    async with world.neighbours(), world.orchestrator(**QUICK):
        schedule = await create(world, await create_suite(world), overlap_policy=ALLOW_ALL)
        world.bridge.may_answer.clear()
        for count in (1, 2):
            await make_due(world, schedule.schedule_id)
            await until_runs(world, schedule.schedule_id, count)


async def test_a_trigger_starts_a_run_at_once_and_moves_no_time(world: World) -> None:
    async with world.neighbours(), world.orchestrator(**QUICK):
        schedule = await create(world, await create_suite(world), overlap_policy=SKIP)
        world.bridge.may_answer.clear()

        for grant in ("another's grant", "the third's"):
            after = await trigger(world, schedule.schedule_id, grant=grant)
            assert after.next_run_time == schedule.next_run_time
        runs = await until_runs(world, schedule.schedule_id, 2)

        assert after.last_run_id == runs[0].run_id
        assert [asked.grant for _, asked in world.admission.asked] == [
            "another's grant",
            "the third's",
        ]


async def test_a_disabled_schedule_is_fired_by_hand_only(world: World) -> None:
    async with world.neighbours(), world.orchestrator(**QUICK):
        schedule = await create(world, await create_suite(world), enabled=False)
        assert not schedule.HasField("next_run_time")

        after = await trigger(world, schedule.schedule_id)

        assert after.HasField("last_run_id")
        assert not after.HasField("next_run_time")


async def test_a_revoked_key_is_told_and_the_schedule_goes_on(world: World) -> None:
    async with world.neighbours(), world.orchestrator(**QUICK):
        schedule = await create(world, await create_suite(world), grant="old")
        world.admission.revoked.add("old")
        await make_due(world, schedule.schedule_id)

        failed = await until_moved_on(world, schedule.schedule_id)

        assert failed.last_error.code == "schedule_key_invalid"
        assert failed.HasField("last_run_time")
        assert not failed.HasField("last_run_id")
        # Whoever changes it lends it their key.
        await change(world, schedule.schedule_id, name="mine now", grant="new")
        await make_due(world, schedule.schedule_id)
        await until_runs(world, schedule.schedule_id, 1)
        assert not (await get(world, schedule.schedule_id)).HasField("last_error")


async def test_a_gateway_that_is_away_delays_a_fire_and_loses_none(world: World) -> None:
    async with world.neighbours(), world.orchestrator(**QUICK):
        schedule = await create(world, await create_suite(world))
        world.admission.away = True
        await make_due(world, schedule.schedule_id)
        await world.until(lambda: world.admission.asked)

        world.admission.away = False
        # As when the claim has run out.
        await world.query("UPDATE schedules SET claimed_until = NULL")

        await until_runs(world, schedule.schedule_id, 1)


async def test_a_task_that_the_active_version_lost_fails_the_fire(world: World) -> None:
    async with world.neighbours(), world.orchestrator(**QUICK):
        suite_id = await create_suite(world)
        schedule = await create(world, suite_id, run={"models": ["model-a"], "task_ids": ["task"]})
        another = task(world.rows(1, file_id="file_other"), id="another")
        manifest = json.dumps({"tasks": [another]})
        with calling_as(world.caller):
            await world.suites.CreateSuiteVersion(
                suite_service_pb2.CreateSuiteVersionRequest(
                    suite_id=suite_id, manifest_json=manifest.encode()
                )
            )
        await make_due(world, schedule.schedule_id)

        failed = await until_moved_on(world, schedule.schedule_id)

        assert failed.last_error.code == "unknown_task_ids"


async def test_the_deletion_of_a_suite_disables_its_schedules(world: World) -> None:
    async with world.neighbours(), world.orchestrator(**QUICK):
        suite_id = await create_suite(world)
        schedule = await create(world, suite_id)
        with calling_as(world.caller):
            await world.suites.DeleteSuite(suite_service_pb2.DeleteSuiteRequest(suite_id=suite_id))

        after = await get(world, schedule.schedule_id)

        assert after.fields.enabled is False
        assert not after.HasField("next_run_time")


async def test_a_change_that_keeps_the_times_does_not_take_back_a_fire(world: World) -> None:
    async with world.neighbours(), world.orchestrator(**QUICK):
        schedule = await create(world, await create_suite(world))
        await make_due(world, schedule.schedule_id)

        async with asyncio.TaskGroup() as tasks:
            for number in range(10):
                tasks.create_task(change(world, schedule.schedule_id, name=f"name {number}"))
        await until_moved_on(world, schedule.schedule_id)

        await until_runs(world, schedule.schedule_id, 1)


async def test_an_orchestrator_killed_again_and_again_fires_each_time_once(world: World) -> None:
    async with world.neighbours():
        async with world.orchestrator(**QUICK):
            suite_id = await create_suite(world)
            ids = [(await create(world, suite_id)).schedule_id for _ in range(36)]
        for batch in (ids[:12], ids[12:24], ids[24:]):
            for schedule_id in batch:
                await make_due(world, schedule_id)
            world.admission.asked.clear()
            async with world.child(**QUICK) as child:
                # Killed while it fires.
                await world.until(lambda: len(world.admission.asked) > 2)
                await child.kill()
            # As when the claims of the dead have run out.
            await world.query("UPDATE schedules SET claimed_until = NULL")

        async with world.orchestrator(**QUICK):
            for schedule_id in ids:
                await until_moved_on(world, schedule_id)
                await until_runs(world, schedule_id, 1)
