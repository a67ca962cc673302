"""Recorded runs over the wire: what was taken survives crashes, and workers leave it alone."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from integration.orchestrator.test_run_changes import facts
from integration.orchestrator.world import CALLER, World, task
from proctor.runs.v1 import agent_run_service_pb2 as pb
from proctor.runs.v1 import run_pb2, run_service_pb2, sample_pb2, trajectory_service_pb2
from servicekit.caller import calling_as
from servicekit.errors import RemoteError

pytestmark = pytest.mark.timeout(120)

COMPLETED = run_pb2.RUN_STATE_COMPLETED
IN_PROGRESS = run_pb2.RUN_STATE_IN_PROGRESS


def trial(index: int, **fields: Any) -> pb.AgentTrial:
    about: dict[str, Any] = {"task_id": "task", "scores_json": b'{"reward":1.0}', **fields}
    return pb.AgentTrial(sample_index=index, state=sample_pb2.SAMPLE_STATE_COMPLETED, **about)


async def new_suite(world: World) -> str:
    return await world.create_suite(task(world.rows(1)))


async def record(world: World, suite_id: str, **fields: Any) -> run_pb2.Run:
    about = {"suite_id": suite_id, "agent_name": "omp", "model": "m", **fields}
    with calling_as(CALLER):
        answer = await world.agent_runs.ImportAgentRun(pb.ImportAgentRunRequest(**about))
    run: run_pb2.Run = answer.run
    return run


async def append(
    world: World, run_id: str, trials: Sequence[pb.AgentTrial], *, finalize: bool = False
) -> run_pb2.Run:
    request = pb.AppendAgentTrialsRequest(run_id=run_id, trials=trials, finalize=finalize)
    with calling_as(CALLER):
        answer = await world.agent_runs.AppendAgentTrials(request)
    run: run_pb2.Run = answer.run
    return run


async def put(world: World, run_id: str, index: int, *messages: bytes, announced: int) -> None:
    sample = trajectory_service_pb2.SampleRef(run_id=run_id, sample_index=index)

    async def upload() -> AsyncIterator[trajectory_service_pb2.PutTrajectoryRequest]:
        yield trajectory_service_pb2.PutTrajectoryRequest(
            header=trajectory_service_pb2.Trajectory(
                sample=sample, schema_version="v", step_count=1, steps_bytes=announced
            )
        )
        for chunk in messages:
            yield trajectory_service_pb2.PutTrajectoryRequest(chunk=chunk)

    with calling_as(CALLER):
        await world.trajectories.PutTrajectory(upload())


async def test_a_crash_between_trials_and_their_end_loses_nothing(world: World) -> None:
    async with world.neighbours():
        async with world.child() as first:
            opened = await record(world, await new_suite(world), trials=[trial(0)])
            run = await append(world, opened.run_id, [trial(1), trial(2)])
            await put(world, run.run_id, 2, b"[1]", announced=3)
            await first.kill()

        async with world.child():
            assert await world.get_run(run.run_id) == run
            done = await append(world, run.run_id, [trial(2), trial(3)], finalize=True)

            assert (done.state, done.request_counts.completed) == (COMPLETED, 4)
            samples = await world.samples(run.run_id)
            assert [sample.sample_index for sample in samples] == [0, 1, 2, 3]
            assert await facts(world, run.run_id) == ["started", "completed"]
    assert len(world.importer.content(done.artifact_file_ids[1]).splitlines()) == 4


async def test_killed_while_it_completes_the_run_is_completed_by_itself(world: World) -> None:
    world.importer.may_store.clear()
    async with world.neighbours():
        async with world.child() as first:
            opened = await record(world, await new_suite(world), trials=[trial(0)])
            # It waits for the importer as long as a client would, and a worker goes on with it.
            run = await append(world, opened.run_id, [], finalize=True)
            assert run.state == run_pb2.RUN_STATE_FINALIZING
            await first.kill()

        world.importer.may_store.set()
        async with world.child():
            done = await world.ended(run.run_id, within_s=90)
            assert (done.state, done.request_counts.completed) == (COMPLETED, 1)
            assert await facts(world, run.run_id) == ["started", "completed"]


async def test_what_cannot_be_completed_while_the_reporter_waits_is_completed_later(
    world: World,
) -> None:
    async with world.neighbours(), world.orchestrator():
        suite_id = await new_suite(world)
        async with world.away("importer"):
            run = await record(world, suite_id, trials=[trial(0)], finalize=True)
            assert run.state == run_pb2.RUN_STATE_FINALIZING
            with pytest.raises(RemoteError) as refused:
                await append(world, run.run_id, [trial(1)])
            assert refused.value.reason == "RUN_NOT_OPEN"

        assert (await world.ended(run.run_id, within_s=90)).state == COMPLETED


async def test_an_open_run_waits_for_its_trials_however_long(world: World) -> None:
    async with world.neighbours(), world.orchestrator():
        opened = await record(world, await new_suite(world), trials=[trial(0)])
        other = await world.create_run(await new_suite(world))
        await world.query("UPDATE runs SET dispatched_at = now() - interval '2 days'")
        # Whatever the sweeper does with old runs it has done when it has looked at a newer one.
        await world.ended(other)
        await world.query("UPDATE runs SET dispatched_at = now() - interval '2 days'")
        later = await world.create_run(await new_suite(world))
        await world.ended(later)

        run = await world.get_run(opened.run_id)
        assert (run.state, run.request_counts.completed) == (IN_PROGRESS, 1)


async def test_a_failed_run_of_an_agent_can_be_completed_again(world: World) -> None:
    async with world.neighbours(), world.orchestrator():
        run = await record(world, await new_suite(world), trials=[trial(0)])
        await world.query(
            "UPDATE runs SET state = 'failed', ended_at = now(), error_code = 'internal',"
            " error_message = 'm', error_stage = 'finalize' WHERE run_id = $1",
            run.run_id,
        )

        done = await append(world, run.run_id, [trial(1)], finalize=True)

        assert (done.state, done.request_counts.completed) == (COMPLETED, 2)
        assert not done.HasField("error")


async def test_figures_come_from_the_rows_and_not_from_what_was_sent(world: World) -> None:
    async with world.neighbours(), world.orchestrator():
        opened = await record(world, await new_suite(world), trials=[trial(0, cost_usd=1.0)])
        await world.query("UPDATE samples SET cost_usd = 7, scores = '{\"reward\": 0}'")

        run = await append(world, opened.run_id, [trial(1, cost_usd=0.5)])

        block = json.loads(run.metrics_json)["by_task"]["task"]["m"]["metrics"]["reward"]
        assert (run.cost_usd, block["value"], block["count"]) == (7.5, 0.5, 2)


async def test_a_run_is_not_made_larger_than_a_run_may_be(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.outbound.postgres.agents.agent_runs.RUN_TRIALS_MAX", 2)
    async with world.neighbours(), world.orchestrator():
        opened = await record(world, await new_suite(world), trials=[trial(0), trial(1)])
        with pytest.raises(RemoteError) as refused:
            await append(world, opened.run_id, [trial(2)])
        again = await append(world, opened.run_id, [trial(1)])

        assert refused.value.reason == "TOO_MANY_TRIALS"
        assert again.request_counts.total == 2


@pytest.mark.parametrize("sent", [b"[", b"[1]]"])
async def test_an_upload_that_is_not_whole_stores_nothing(world: World, sent: bytes) -> None:
    async with world.neighbours(), world.orchestrator():
        run = await record(world, await new_suite(world), trials=[trial(0)])
        with pytest.raises(RemoteError) as refused:
            await put(world, run.run_id, 0, sent, announced=3)

        assert refused.value.reason == "UPLOAD_INCOMPLETE"
        assert await world.query("SELECT 1 FROM trajectories") == []


async def test_trajectories_are_removed_with_their_run(world: World) -> None:
    async with world.neighbours(), world.orchestrator():
        runs = [await record(world, await new_suite(world), trials=[trial(0)]) for _ in range(2)]
        for run in runs:
            await put(world, run.run_id, 0, b"[1]", announced=3)
        with calling_as(CALLER):
            await world.runs.DeleteRun(run_service_pb2.DeleteRunRequest(run_id=runs[0].run_id))

        left = await world.query("SELECT run_id FROM trajectories")
        assert [row["run_id"] for row in left] == [runs[1].run_id]
