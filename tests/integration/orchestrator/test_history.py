"""RunHistoryService over the wire: what happened elsewhere becomes runs like all others."""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from integration.orchestrator.world import CALLER, World, task
from orchestrator.outbound.postgres.history.stages import PostgresHistoryStages
from orchestrator.usecases.import_history import StageRemover
from pgstore.database import Database
from proctor.runs.v1 import history_service_pb2 as pb
from proctor.runs.v1 import run_pb2, run_service_pb2, sample_pb2
from proctor.suites.v1 import suite_service_pb2
from servicekit.caller import Caller, calling_as
from servicekit.clock import SystemClock
from servicekit.errors import Kind, RemoteError

THEN = datetime(2025, 3, 1, 12, 30, 45, tzinfo=UTC)
TARGET = pb.HistoryTarget(suite_name="history", repo="owner/results")
OTHER_TEAM = Caller(org_id="org", team_id="other")


class HoursLater:
    """A clock that shows the time after an import cannot be under way any more."""

    def utc_now(self) -> datetime:
        return SystemClock().utc_now() + timedelta(hours=7)


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[Any]:
    async with world.neighbours(), world.orchestrator():
        with calling_as(CALLER):
            yield world.history


def at(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


Sample = dict[str, Any]


def scored(index: int, score: float, **changes: Any) -> Sample:
    return {
        "sample_index": index,
        "dataset_row_json": json.dumps({"n": index}).encode(),
        "prompt": f"what is {index}",
        "target": str(index),
        "has_target": True,
        "output_text": f"it is {index}",
        "has_output_text": True,
        "extracted_output": "",
        "has_extracted_output": False,
        "scores_json": json.dumps({"acc": score, "score": score}).encode(),
        "judge_json": b"",
        "failure": "",
        **changes,
    }


def columns(samples: Sequence[Sample]) -> pb.HistoricalSamples:
    return pb.HistoricalSamples(**{name: [row[name] for row in samples] for name in samples[0]})


async def staged(history: Any, *samples: Sample) -> str:
    run_id = f"eval_run_{uuid4().hex}"
    parts = [
        pb.StageHistoryRequest(header=pb.StageHeader(run_id=run_id, time=at(THEN))),
        pb.StageHistoryRequest(samples=columns(samples)),
    ]
    answer = await history.StageHistory(each(parts), timeout=30)
    assert answer.total == len(samples)
    return run_id


async def each(parts: Sequence[pb.StageHistoryRequest]) -> AsyncIterator[pb.StageHistoryRequest]:
    for part in parts:
        yield part


def of_task(task_id: str) -> pb.HistoricalTask:
    document = {
        "id": task_id,
        "type": "custom",
        "dataset": {"source": "huggingface", "path": "owner/results", "data_files": "a.jsonl"},
        "prompt_template": "{{prompt}}",
        "target_template": "{{target}}",
        "metrics": [{"id": "score"}, {"id": "acc"}],
        "grader": {"type": "python", "source": "raise RuntimeError('imported task')"},
        "metadata": {"imported": True, "lm_eval_task": task_id},
    }
    return pb.HistoricalTask(task_id=task_id, task_json=json.dumps(document).encode())


def of_run(run_id: str, task_id: str = "sums", path: str = "a.jsonl") -> pb.HistoricalRun:
    sha256 = hashlib.sha256(path.encode()).hexdigest()
    return pb.HistoricalRun(
        run_id=run_id,
        task_id=task_id,
        model="org/model",
        generation_json=b'{"temperature": 0.0}',
        metadata={"import_path": path},
        time=at(THEN),
        file=pb.HistoryFile(path=path, commit="c" * 40, sha256=sha256),
    )


def order(*runs: pb.HistoricalRun, **changes: Any) -> pb.CommitHistoryRequest:
    tasks = [of_task(task_id) for task_id in dict.fromkeys(run.task_id for run in runs)]
    return pb.CommitHistoryRequest(**{"target": TARGET, "tasks": tasks, "runs": runs, **changes})


async def test_staged_samples_become_a_completed_run_with_recomputed_metrics(
    world: World,
) -> None:
    async with serving(world) as history:
        failed = scored(2, 0, scores_json=b"{}", failure="the row has no usable score")
        run_id = await staged(history, scored(0, 1), scored(1, 0.5), failed)
        done = await history.CommitHistory(order(of_run(run_id)))
        await history.AwaitHistory(pb.AwaitHistoryRequest(run_ids=[run_id]))
        run = await world.ended(run_id)
        samples = await world.samples(run_id)

    assert (done.suite_version, done.created_suite, done.created_suite_version) == (1, True, True)
    assert run.state == run_pb2.RUN_STATE_COMPLETED
    assert (run.suite_id, list(run.models), list(run.task_ids)) == (
        *(done.suite_id, ["org/model"]),
        ["sums"],
    )
    counts = run.request_counts
    assert (counts.total, counts.completed, counts.failed) == (3, 2, 1)
    for stamp in (run.create_time, run.start_time, run.end_time):
        assert stamp.ToDatetime(UTC) == THEN
    block = json.loads(run.metrics_json)["by_task"]["sums"]["org/model"]
    assert block["score"] == 0.75
    assert block["metrics"]["acc"] == {
        "value": 0.75,
        "count": 2,
        "higher_is_better": True,
        "declared": True,
    }
    assert [sample.state for sample in samples] == [
        sample_pb2.SAMPLE_STATE_COMPLETED,
        sample_pb2.SAMPLE_STATE_COMPLETED,
        sample_pb2.SAMPLE_STATE_FAILED,
    ]
    assert (samples[2].error.code, samples[2].error.stage) == ("import_no_score", "score")
    assert json.loads(samples[1].dataset_row_json) == {"n": 1}
    lines = world.importer.content(run.artifact_file_ids[1]).splitlines()
    assert [json.loads(line)["sample_index"] for line in lines] == [0, 1, 2]


async def test_nobody_sees_staged_samples_before_the_commit(world: World) -> None:
    async with serving(world) as history:
        run_id = await staged(history, scored(0, 1))
        with pytest.raises(RemoteError) as refused:
            await world.get_run(run_id)

    assert refused.value.reason == "RUN_NOT_FOUND"


async def test_the_next_import_of_the_same_name_and_repository_goes_on_in_the_same_suite(
    world: World,
) -> None:
    async with serving(world) as history:
        first = await history.CommitHistory(order(of_run(await staged(history, scored(0, 1)))))
        more = of_run(await staged(history, scored(0, 1)), "other", "b.jsonl")
        second = await history.CommitHistory(order(more))
        elsewhere = pb.HistoryTarget(suite_name="history", repo="owner/else")
        third = await history.CommitHistory(
            order(of_run(await staged(history, scored(0, 1))), target=elsewhere)
        )
        wanted = suite_service_pb2.GetSuiteVersionRequest(suite_id=first.suite_id, version=2)
        version = (await world.suites.GetSuiteVersion(wanted)).version
        suite = (
            await world.suites.GetSuite(suite_service_pb2.GetSuiteRequest(suite_id=first.suite_id))
        ).suite

    assert (second.suite_id, second.suite_version) == (first.suite_id, 2)
    assert (second.created_suite, second.created_suite_version) == (False, True)
    assert third.suite_id != first.suite_id
    assert [entry["id"] for entry in json.loads(version.manifest_json)["tasks"]] == [
        "sums",
        "other",
    ]
    assert (suite.active_version, suite.latest_version) == (2, 2)


async def test_a_file_that_has_a_live_run_is_not_imported_twice(world: World) -> None:
    async with serving(world) as history:
        run_id = await staged(history, scored(0, 1))
        await history.CommitHistory(order(of_run(run_id)))
        again = await staged(history, scored(0, 1))
        second = await history.CommitHistory(order(of_run(again)))
        found = await history.LookUpHistory(
            pb.LookUpHistoryRequest(target=TARGET, paths=["a.jsonl", "b.jsonl"])
        )
        await world.ended(run_id)
        await world.runs.DeleteRun(run_service_pb2.DeleteRunRequest(run_id=run_id))
        third = await history.CommitHistory(order(of_run(again)))

    assert list(second.superseded_run_ids) == [again]
    assert [(file.path, file.run_id) for file in found.files] == [("a.jsonl", run_id)]
    assert (found.suite_version, list(found.task_ids)) == (1, ["sums"])
    assert list(third.superseded_run_ids) == []


async def test_an_imported_run_cannot_be_run_again(world: World) -> None:
    async with serving(world) as history:
        run_id = await staged(history, scored(0, 1, failure="no score", scores_json=b"{}"))
        await history.CommitHistory(order(of_run(run_id)))
        await world.ended(run_id)
        with pytest.raises(RemoteError) as refused:
            request = run_service_pb2.RerunFailedSamplesRequest(run_id=run_id)
            await world.runs.RerunFailedSamples(request)

    assert refused.value.kind is Kind.FAILED_PRECONDITION
    assert refused.value.reason == "IMPORTED_RUN_NOT_RUNNABLE"


async def test_an_imported_task_cannot_be_run(world: World) -> None:
    async with serving(world) as history:
        run_id = await staged(history, scored(0, 1))
        done = await history.CommitHistory(order(of_run(run_id)))
        with pytest.raises(RemoteError) as refused:
            await world.create_run(done.suite_id)

    assert refused.value.kind is Kind.INVALID_ARGUMENT
    assert refused.value.violations[0].reason == "IMPORTED_TASK_NOT_RUNNABLE"


async def test_a_version_takes_at_most_a_hundred_tasks_and_nothing_is_left_of_more(
    world: World,
) -> None:
    async with serving(world) as history:
        first = of_run(await staged(history, scored(0, 1)))
        done = await history.CommitHistory(order(first))
        runs = [
            of_run(await staged(history, scored(0, 1)), f"task-{n}", f"{n}.jsonl")
            for n in range(100)
        ]
        with pytest.raises(RemoteError) as refused:
            await history.CommitHistory(order(*runs))
        found = await history.LookUpHistory(pb.LookUpHistoryRequest(target=TARGET))

    assert refused.value.reason == "TOO_MANY_TASKS"
    assert (found.suite_id, found.latest_version) == (done.suite_id, 1)


async def test_another_team_neither_finds_nor_takes_what_is_not_its_own(world: World) -> None:
    async with serving(world) as history:
        run_id = await staged(history, scored(0, 1))
        done = await history.CommitHistory(order(of_run(run_id)))
        mine = await staged(history, scored(0, 1))
        with calling_as(OTHER_TEAM):
            found = await history.LookUpHistory(pb.LookUpHistoryRequest(target=TARGET))
            with pytest.raises(RemoteError) as no_suite:
                target = pb.HistoryTarget(suite_id=done.suite_id, suite_name="x", repo="a/b")
                await history.LookUpHistory(pb.LookUpHistoryRequest(target=target))
            with pytest.raises(RemoteError) as not_staged:
                await history.CommitHistory(order(of_run(mine)))

    assert found.suite_id == ""
    assert no_suite.value.reason == "SUITE_NOT_FOUND"
    assert not_staged.value.reason == "HISTORY_NOT_STAGED"


async def test_a_suite_that_is_only_shared_takes_no_runs_of_its_readers(world: World) -> None:
    async with serving(world) as history:
        done = await history.CommitHistory(order(of_run(await staged(history, scored(0, 1)))))
        await world.query(
            "INSERT INTO suite_shares (share_id, suite_id, org_id, granted_by, created_at) "
            "VALUES ('eval_share_1', $1, 'readers', 'somebody', now())",
            done.suite_id,
        )
        with calling_as(Caller(org_id="readers", team_id="team")):
            target = pb.HistoryTarget(suite_id=done.suite_id, suite_name="x", repo="a/b")
            with pytest.raises(RemoteError) as looking:
                await history.LookUpHistory(pb.LookUpHistoryRequest(target=target))
            theirs = of_run(await staged(history, scored(0, 1)))
            with pytest.raises(RemoteError) as committing:
                await history.CommitHistory(order(theirs, target=target))

    assert looking.value.reason == committing.value.reason == "SHARED_READ_ONLY"
    assert looking.value.kind is Kind.PERMISSION_DENIED


async def test_missing_tasks_join_the_tasks_of_an_ordinary_suite(world: World) -> None:
    async with serving(world) as history:
        suite_id = await world.create_suite(task(world.rows(1)))
        run_id = await staged(history, scored(0, 1))
        target = pb.HistoryTarget(suite_id=suite_id, suite_name="x", repo="owner/results")
        done = await history.CommitHistory(order(of_run(run_id), target=target))
        own = await world.create_run(suite_id, task_ids=["task"], selects_tasks=True)
        ended = await world.ended(own)

    assert (done.suite_id, done.suite_version, done.created_suite) == (suite_id, 2, False)
    assert ended.state == run_pb2.RUN_STATE_COMPLETED


async def test_samples_with_the_same_index_are_refused_and_nothing_stays(world: World) -> None:
    async with serving(world) as history:
        with pytest.raises(RemoteError) as refused:
            await staged(history, scored(0, 1), scored(0, 1))
        left = await world.query("SELECT 1 FROM items")

    assert refused.value.reason == "INVALID_HISTORY"
    assert left == []


async def test_what_an_import_that_died_had_staged_is_removed_after_hours(world: World) -> None:
    async with serving(world) as history:
        kept = await staged(history, scored(0, 1))
        await history.CommitHistory(order(of_run(kept)))
        await staged(history, scored(0, 1))
        async with Database.connect(world.postgres_dsn, schema="orchestrator") as database:
            stages = PostgresHistoryStages(database)
            early = await StageRemover(stages, SystemClock(), period_s=1).remove()
            removed = await StageRemover(stages, HoursLater(), period_s=1).remove()
        await world.ended(kept)
        samples = await world.query("SELECT DISTINCT run_id FROM samples")
        items = await world.query("SELECT DISTINCT run_id FROM items")

    assert (early, removed) == (0, 1)
    assert [row["run_id"] for row in samples] == [row["run_id"] for row in items] == [kept]
