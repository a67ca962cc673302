"""What a run survives: its orchestrator killed in every stage, and its neighbours away."""

import asyncio
import json

import pytest

from integration.orchestrator.world import GROUP_GRADER, World, task
from proctor.runs.v1 import run_pb2

ROWS = 60
CONCURRENCY = 6

pytestmark = pytest.mark.timeout(120)


async def assert_complete(world: World, run_id: str, *, rows: int = ROWS) -> None:
    """Every sample is there once, scored."""
    run = await world.ended(run_id)
    samples = await world.samples(run_id)
    assert run.state == run_pb2.RUN_STATE_COMPLETED, run.error
    assert [str(sample.error) for sample in samples if sample.HasField("error")] == []
    counts = run.request_counts
    assert (counts.total, counts.completed, counts.failed) == (rows, rows, 0)
    assert [sample.sample_index for sample in samples] == list(range(rows))
    assert {json.dumps(json.loads(s.scores_json)) for s in samples} == {'{"score": 1.0}'}


async def test_killed_in_generate_it_repeats_no_more_than_the_calls_in_flight(world: World) -> None:
    world.bridge.latency_s = 0.1
    async with world.neighbours():
        async with world.child() as first:
            suite_id = await world.create_suite(task(world.rows(ROWS)))
            run_id = await world.create_run(suite_id, generation_concurrency=CONCURRENCY)
            await world.until_counts(run_id, completed=ROWS // 4)
            await first.kill()

        async with world.child():
            await assert_complete(world, run_id)

    assert world.bridge.repeats() <= CONCURRENCY
    assert world.bridge.in_flight_max <= CONCURRENCY


async def test_killed_in_grade_it_generates_nothing_again(world: World) -> None:
    world.grader.may_grade.clear()
    async with world.neighbours():
        async with world.child() as first:
            run_id = await world.create_run(await world.create_suite(task(world.rows(ROWS))))
            await world.until(lambda: world.bridge.calls.total() == ROWS)
            await until_generated(world, run_id)
            await first.kill()

        world.grader.may_grade.set()
        async with world.child():
            await assert_complete(world, run_id)

    assert world.bridge.repeats() == 0


async def test_killed_in_the_grading_of_a_group_it_grades_the_whole_group_again(
    world: World,
) -> None:
    world.grader.may_grade.clear()
    grader = {"type": "python", "contract": "batch", "source": GROUP_GRADER}
    async with world.neighbours():
        async with world.child() as first:
            suite_id = await world.create_suite(task(world.rows(ROWS), grader=grader))
            run_id = await world.create_run(suite_id)
            await world.until(lambda: world.grader.tasks)
            await first.kill()

        world.grader.may_grade.set()
        async with world.child():
            await assert_complete(world, run_id)

    assert world.bridge.repeats() == 0


async def test_killed_in_prepare_it_prepares_the_interrupted_task_again(world: World) -> None:
    world.grader.may_prepare.clear()
    async with world.neighbours():
        async with world.child() as first:
            run_id = await world.create_run(await world.create_suite(task(world.rows(ROWS))))
            await world.until(lambda: world.grader.prepared_items)
            await first.kill()

        world.grader.may_prepare.set()
        async with world.child():
            await assert_complete(world, run_id)


async def test_killed_in_finalize_it_completes_and_says_so_once(world: World) -> None:
    world.importer.may_store.clear()
    async with world.neighbours():
        async with world.child() as first:
            run_id = await world.create_run(await world.create_suite(task(world.rows(ROWS))))
            await until_state(world, run_id, run_pb2.RUN_STATE_FINALIZING)
            await first.kill()

        world.importer.may_store.set()
        async with world.child():
            await assert_complete(world, run_id)

    assert len(world.importer.files) == 3


async def test_another_replica_takes_over_what_a_killed_one_had(world: World) -> None:
    world.bridge.latency_s = 0.1
    async with world.neighbours(), world.child() as first:
        suite_id = await world.create_suite(task(world.rows(ROWS)))
        run_id = await world.create_run(suite_id, generation_concurrency=CONCURRENCY)
        await world.until_counts(run_id, completed=5)
        async with world.child():
            await first.kill()
            await assert_complete(world, run_id)

    assert world.bridge.repeats() <= CONCURRENCY


async def test_stopped_it_hands_its_shards_over_at_once_and_exits_cleanly(world: World) -> None:
    patient = {"lease_s": 600, "heartbeat_s": 1, "sweep_s": 600}
    async with world.neighbours(), world.child(**patient) as first:
        world.bridge.latency_s = 0.1
        suite_id = await world.create_suite(task(world.rows(ROWS)))
        run_id = await world.create_run(suite_id, generation_concurrency=CONCURRENCY)
        await world.until_counts(run_id, completed=5)
        world.bridge.may_answer.clear()
        async with world.child(**patient):
            assert await first.stop() == 0
            world.bridge.may_answer.set()
            await assert_complete(world, run_id)

    assert world.bridge.repeats() <= CONCURRENCY


async def test_a_bridge_that_goes_away_is_waited_for(world: World) -> None:
    world.bridge.latency_s = 0.05
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(ROWS)))
        run_id = await world.create_run(suite_id, generation_concurrency=CONCURRENCY)
        await world.until_counts(run_id, completed=10)
        async with world.away("bridge"):
            await asyncio.sleep(0.5)
        await assert_complete(world, run_id)

    assert world.bridge.repeats() <= CONCURRENCY


async def test_a_grader_that_goes_away_is_waited_for(world: World) -> None:
    world.bridge.latency_s = 0.05
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(ROWS)))
        run_id = await world.create_run(suite_id, generation_concurrency=CONCURRENCY)
        await world.until_counts(run_id, completed=10)
        async with world.away("grader"):
            await asyncio.sleep(0.5)
        await assert_complete(world, run_id)

    assert world.bridge.repeats() == 0


async def test_an_importer_that_is_away_when_a_run_ends_is_waited_for(world: World) -> None:
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(ROWS)))
        world.grader.may_grade.clear()
        run_id = await world.create_run(suite_id)
        await world.until(lambda: world.bridge.calls.total() == ROWS)
        async with world.away("importer"):
            world.grader.may_grade.set()
            await until_state(world, run_id, run_pb2.RUN_STATE_FINALIZING)
        await assert_complete(world, run_id)


async def until_state(world: World, run_id: str, state: "run_pb2.RunState.ValueType") -> None:
    async with asyncio.timeout(30):
        while (await world.get_run(run_id)).state != state:
            await asyncio.sleep(0.01)


async def until_generated(world: World, run_id: str) -> None:
    """Wait until every output is stored."""
    waiting = "SELECT count(*) FROM samples WHERE run_id = $1 AND output_text IS NULL"
    async with asyncio.timeout(30):
        while (await world.query(waiting, run_id))[0][0]:
            await asyncio.sleep(0.01)
