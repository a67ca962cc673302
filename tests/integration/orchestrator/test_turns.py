"""One team's runs take all the places there are; another team's run goes on all the same."""

import asyncio

import pytest

from integration.orchestrator.world import CALLER, World, task
from proctor.runs.v1 import run_pb2
from servicekit.caller import Caller

OTHER = Caller(org_id="org", team_id="other")


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.outbound.services.bridge._IDLE_S", 0.2)


@pytest.mark.parametrize("stage", ["prepare", "grade"])
async def test_a_team_with_many_runs_keeps_no_other_waiting(world: World, stage: str) -> None:
    held = world.grader.may_prepare if stage == "prepare" else world.grader.may_grade
    held.clear()
    world.grader.never_waits.add(OTHER.team_id)
    async with world.neighbours(), world.orchestrator(steps_at_once=1, shards_at_once=1):
        suite_id = await world.create_suite(task(world.rows(1)))
        many = [await world.create_run(suite_id) for _ in range(3)]
        reached = world.grader.prepared if stage == "prepare" else world.grader.tasks
        await world.until(lambda: reached)
        world.caller = OTHER
        run_id = await world.create_run(await world.create_suite(task(world.rows(1))))

        run = await world.ended(run_id, within_s=15)

        assert run.state == run_pb2.RUN_STATE_COMPLETED
        held.set()
        world.caller = CALLER
        for run_id in many:
            assert (await world.ended(run_id)).state == run_pb2.RUN_STATE_COMPLETED


async def test_a_team_whose_models_are_slow_keeps_no_other_waiting(world: World) -> None:
    world.bridge.may_answer.clear()
    world.bridge.never_waits.add("quick")
    world.bridge.window = 2
    async with world.neighbours(), world.orchestrator():
        many = await world.create_run(await world.create_suite(task(world.rows(9))))
        await world.until(lambda: world.bridge.in_flight == 2)
        world.caller = OTHER
        run_id = await world.create_run(
            await world.create_suite(task(world.rows(9))), models=["quick"]
        )

        assert (await world.ended(run_id, within_s=15)).state == run_pb2.RUN_STATE_COMPLETED
        world.bridge.may_answer.set()
        world.caller = CALLER
        assert (await world.ended(many)).state == run_pb2.RUN_STATE_COMPLETED


@pytest.mark.usefixtures("no_patience")
async def test_a_stream_without_calls_is_closed_and_opened_again(world: World) -> None:
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(1)))
        for streams in (1, 2):
            run = await world.ended(await world.create_run(suite_id))
            assert run.state == run_pb2.RUN_STATE_COMPLETED
            assert world.bridge.streams == streams
            await world.until(lambda: not world.bridge.open_streams)


async def test_more_runs_than_places_of_one_team_all_end(world: World) -> None:
    async with world.neighbours(), world.orchestrator(steps_at_once=1, shards_at_once=1):
        suite_id = await world.create_suite(task(world.rows(1)))
        run_ids = [await world.create_run(suite_id) for _ in range(10)]

        async with asyncio.timeout(30):
            states = [(await world.ended(run_id)).state for run_id in run_ids]

        assert set(states) == {run_pb2.RUN_STATE_COMPLETED}
