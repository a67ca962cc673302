"""Runs that are cancelled, put back to work and deleted, also when the orchestrator is killed."""

import asyncio
import json
from typing import Any

import nats
import pytest

from integration.orchestrator.fake_bridge import Answer, echo
from integration.orchestrator.world import CALLER, GROUP_GRADER, World, task
from orchestrator.outbound.streams import EVENTS
from proctor.models.v1 import model_bridge_service_pb2 as models_pb
from proctor.runs.v1 import run_pb2, run_service_pb2, sample_pb2
from proctor.suites.v1 import suite_service_pb2
from servicekit.caller import calling_as
from servicekit.errors import ServiceError

COMPLETED = run_pb2.RUN_STATE_COMPLETED
CANCELLED = run_pb2.RUN_STATE_CANCELLED
ROWS = 40
CONCURRENCY = 8
# Nothing would ever come to an end by waiting for a heartbeat or a sweep.
PATIENT = {"lease_s": 600, "heartbeat_s": 200, "sweep_s": 600}

pytestmark = pytest.mark.timeout(120)


async def cancel(world: World, run_id: str) -> run_pb2.Run:
    with calling_as(CALLER):
        answer = await world.runs.CancelRun(run_service_pb2.CancelRunRequest(run_id=run_id))
    run: run_pb2.Run = answer.run
    return run


async def rerun_failed(world: World, run_id: str) -> run_pb2.Run:
    request = run_service_pb2.RerunFailedSamplesRequest(run_id=run_id)
    with calling_as(CALLER):
        answer = await world.runs.RerunFailedSamples(request)
    run: run_pb2.Run = answer.run
    return run


async def retry(world: World, run_id: str) -> run_pb2.Run:
    with calling_as(CALLER):
        answer = await world.runs.RetryRun(run_service_pb2.RetryRunRequest(run_id=run_id))
    run: run_pb2.Run = answer.run
    return run


async def facts(world: World, run_id: str) -> list[str]:
    """What subscribers were told of a run, once everything is sent."""
    async with asyncio.timeout(10):
        while await world.query("SELECT 1 FROM outbox LIMIT 1"):
            await asyncio.sleep(0.02)
    connection = await nats.connect(world.nats_url)
    try:
        stream = connection.jetstream()
        state = (await stream.stream_info(EVENTS)).state
        numbers = range(state.first_seq, state.last_seq + 1)
        told = [await stream.get_msg(EVENTS, number) for number in numbers]
    finally:
        await connection.close()
    return [
        str(message.subject).split(".")[3]
        for message in told
        if json.loads(message.data or b"")["run"]["run_id"] == run_id
    ]


def failing(*numbers: int) -> Any:
    """A model that refuses these questions."""

    def answer(body: dict[str, Any]) -> Answer:
        if int(body["input"].split()[-1]) in numbers:
            return models_pb.ModelFailure(code="model_http_400", message="no", http_status=400)
        return echo(body)

    return answer


async def test_cancelled_its_calls_stop_at_once_and_what_came_back_stays(world: World) -> None:
    async with world.neighbours(), world.orchestrator(**PATIENT):
        world.bridge.latency_s = 0.05
        suite_id = await world.create_suite(task(world.rows(ROWS)))
        run_id = await world.create_run(suite_id, generation_concurrency=CONCURRENCY)
        await world.until_counts(run_id, completed=10)
        world.bridge.may_answer.clear()
        await world.until(lambda: world.bridge.in_flight == CONCURRENCY)

        answer = await cancel(world, run_id)
        run = await world.ended(run_id, within_s=5)

        assert answer.state in (run_pb2.RUN_STATE_CANCELLING, CANCELLED)
        assert run.state == CANCELLED
        await world.until(lambda: world.bridge.in_flight == 0, within_s=5)
        calls = world.bridge.calls.total()
        world.bridge.may_answer.set()
        samples = await world.samples(run_id)
        completed = [s for s in samples if s.state == sample_pb2.SAMPLE_STATE_COMPLETED]
        assert len(completed) == run.request_counts.completed >= 10
        assert {s.state for s in samples if s not in completed} <= {
            sample_pb2.SAMPLE_STATE_QUEUED,
            sample_pb2.SAMPLE_STATE_READY_TO_SCORE,
        }
        assert world.bridge.calls.total() == calls
        assert (await cancel(world, run_id)).state == CANCELLED
        assert await facts(world, run_id) == ["queued", "started", "cancelled"]


async def test_cancelled_while_it_is_graded_or_prepared_it_stops_there(world: World) -> None:
    world.grader.may_grade.clear()
    async with world.neighbours(), world.orchestrator(**PATIENT):
        suite_id = await world.create_suite(task(world.rows(ROWS)))
        grading = await world.create_run(suite_id)
        await world.until(lambda: world.bridge.calls.total() == ROWS)
        await cancel(world, grading)
        assert (await world.ended(grading, within_s=5)).state == CANCELLED
        assert world.grader.graded.total() == 0

        world.grader.may_prepare.clear()
        prepared = len(world.grader.prepared)
        preparing = await world.create_run(suite_id)
        await world.until(lambda: len(world.grader.prepared) > prepared)
        await cancel(world, preparing)
        assert (await world.ended(preparing, within_s=5)).state == CANCELLED
        assert (await world.get_run(preparing)).request_counts.total == 0

        world.grader.may_grade.set()
        world.grader.may_prepare.set()
        for run_id in (grading, preparing):
            await retry(world, run_id)
            run = await world.ended(run_id)
            assert (run.state, run.request_counts.completed) == (COMPLETED, ROWS)
    # What was generated before the stop was only graded after it.
    assert world.bridge.calls.total() == 2 * ROWS


async def test_cancelled_while_it_is_finalised_it_leaves_no_files(world: World) -> None:
    world.importer.may_store.clear()
    async with world.neighbours(), world.orchestrator(**PATIENT | {"sweep_s": 0.2}):
        run_id = await world.create_run(await world.create_suite(task(world.rows(ROWS))))
        async with asyncio.timeout(30):
            while (await world.get_run(run_id)).state != run_pb2.RUN_STATE_FINALIZING:
                await asyncio.sleep(0.01)

        await cancel(world, run_id)
        run = await world.ended(run_id, within_s=5)

        assert (run.state, run.metrics_json, list(run.artifact_file_ids)) == (CANCELLED, b"", [])
        assert run.request_counts.completed == ROWS
        world.importer.may_store.set()
        await retry(world, run_id)
        run = await world.ended(run_id)
        assert run.state == COMPLETED
        files = {file_id for _, file_id in world.importer.files}
        assert files == {"file_rows", *run.artifact_file_ids}
    assert world.bridge.repeats() == 0


async def test_the_replica_that_works_on_it_need_not_be_the_one_that_is_asked(
    world: World,
) -> None:
    world.bridge.latency_s = 0.05
    async with world.neighbours(), world.child() as first:
        suite_id = await world.create_suite(task(world.rows(ROWS)))
        run_id = await world.create_run(suite_id, generation_concurrency=CONCURRENCY)
        await world.until_counts(run_id, completed=5)
        world.bridge.may_answer.clear()
        await world.until(lambda: world.bridge.in_flight == CONCURRENCY)
        async with world.child():
            await cancel(world, run_id)
            assert (await world.ended(run_id, within_s=5)).state == CANCELLED
        await world.until(lambda: world.bridge.in_flight == 0, within_s=5)
        world.bridge.may_answer.set()
        assert await first.stop() == 0


async def test_killed_right_after_the_answer_it_is_cancelled_all_the_same(world: World) -> None:
    world.bridge.latency_s = 0.1
    async with world.neighbours():
        async with world.child() as first:
            suite_id = await world.create_suite(task(world.rows(ROWS)))
            run_id = await world.create_run(suite_id, generation_concurrency=CONCURRENCY)
            await world.until_counts(run_id, completed=5)
            answer = await cancel(world, run_id)
            await first.kill()
        assert answer.state == run_pb2.RUN_STATE_CANCELLING

        calls = world.bridge.calls.total()
        async with world.child():
            run = await world.ended(run_id)
            assert run.state == CANCELLED
            assert await facts(world, run_id) == ["queued", "started", "cancelled"]
            assert world.bridge.calls.total() == calls

            await retry(world, run_id)
            run = await world.ended(run_id)
            assert (run.state, run.request_counts.completed) == (COMPLETED, ROWS)
    assert world.bridge.repeats() <= CONCURRENCY


async def test_killed_right_after_the_answer_failed_samples_run_again_all_the_same(
    world: World,
) -> None:
    world.bridge.answer = failing(3, 17, 30)
    async with world.neighbours():
        async with world.child() as first:
            run_id = await world.create_run(await world.create_suite(task(world.rows(ROWS))))
            run = await world.ended(run_id)
            assert run.request_counts.failed == 3
            before = await world.samples(run_id)
            old_files = list(run.artifact_file_ids)
            world.bridge.answer = echo
            assert (await rerun_failed(world, run_id)).state == run_pb2.RUN_STATE_QUEUED
            await first.kill()

        async with world.child():
            run = await world.ended(run_id)
            samples = await world.samples(run_id)
            assert (run.state, run.request_counts.completed) == (COMPLETED, ROWS)
            assert [s.sample_id for s in samples] == [s.sample_id for s in before]
            changed = [s.sample_index for s, old in zip(samples, before, strict=True) if s != old]
            assert changed == [3, 17, 30]
            assert json.loads(run.metrics_json)["by_model"]["model-a"]["score"] == 1.0
            assert not set(run.artifact_file_ids) & set(old_files)
            assert await facts(world, run_id) == ["queued", "started", "completed"] * 2
            files = {file_id for _, file_id in world.importer.files}
            async with asyncio.timeout(10):
                while set(old_files) & {file_id for _, file_id in world.importer.files}:
                    await asyncio.sleep(0.05)
    assert set(run.artifact_file_ids) <= files
    assert world.bridge.repeats() == 3


async def test_a_rerun_grades_the_whole_group_again_but_generates_only_what_failed(
    world: World,
) -> None:
    world.bridge.answer = failing(1)
    world.grader.metrics = {"macro": 0.5}
    grader = {"type": "python", "contract": "batch", "source": GROUP_GRADER}
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(4), grader=grader))
        run_id = await world.create_run(suite_id)
        run = await world.ended(run_id)
        assert (run.request_counts.completed, run.request_counts.failed) == (3, 1)
        world.bridge.answer = echo
        world.grader.metrics = {"macro": 1.0}

        await rerun_failed(world, run_id)
        run = await world.ended(run_id)

        assert (run.state, run.request_counts.completed) == (COMPLETED, 4)
        metrics = json.loads(run.metrics_json)["by_task"]["task"]["model-a"]["metrics"]
        assert metrics["macro"]["value"] == 1.0
    assert world.bridge.repeats() == 1
    assert sorted(world.grader.graded.values()) == [1, 2, 2, 2]


async def test_a_run_that_could_not_be_prepared_is_retried_from_the_start(world: World) -> None:
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(3)))
        content = world.importer.content("file_rows")
        del world.importer.files["team", "file_rows"]
        run_id = await world.create_run(suite_id)
        assert (await world.ended(run_id)).error.code == "file_not_found"

        world.importer.add("file_rows", content)
        await retry(world, run_id)
        run = await world.ended(run_id)

        assert (run.state, run.request_counts.completed) == (COMPLETED, 3)
        assert not run.HasField("error")
        told = ["queued", "started", "failed", "queued", "started", "completed"]
        assert await facts(world, run_id) == told


async def test_a_deleted_suite_takes_running_and_finished_runs_and_their_files_along(
    world: World,
) -> None:
    async with world.neighbours(), world.orchestrator(**PATIENT | {"sweep_s": 0.2}):
        suite_id = await world.create_suite(task(world.rows(ROWS)))
        finished = await world.create_run(suite_id)
        await world.ended(finished)
        world.bridge.may_answer.clear()
        running = await world.create_run(suite_id)
        await world.until(lambda: world.bridge.in_flight > 0)

        with calling_as(CALLER):
            request = suite_service_pb2.DeleteSuiteRequest(suite_id=suite_id)
            answer = await world.suites.DeleteSuite(request)

        assert answer.deleted_runs == 2
        await world.until(lambda: world.bridge.in_flight == 0, within_s=5)
        for run_id in (finished, running):
            with pytest.raises(ServiceError, match="there is no run"):
                await world.get_run(run_id)
        await world.until(lambda: len(world.importer.files) == 1, within_s=5)
        async with asyncio.timeout(5):
            while await world.query(
                "SELECT 1 FROM runs WHERE state <> 'cancelled' AND ended_at IS NULL"
            ):
                await asyncio.sleep(0.02)
        assert await facts(world, running) == ["queued", "started", "cancelled"]
