import orjson
import pytest

from integration.orchestrator.outbound.postgres.stores import CALLER, Stores, opened
from orchestrator.domain.failure import Failure
from orchestrator.domain.metrics import Counts
from orchestrator.domain.outcomes import Generated, Graded, Outcome, SampleChanges
from orchestrator.domain.run import Run
from orchestrator.domain.run_states import (
    NoFailedSamples,
    RunNotCompleted,
    RunNotRetryable,
    RunState,
)
from orchestrator.domain.sharding import TaskSize, plan_shards
from orchestrator.domain.tokens import NO_TOKENS
from orchestrator.domain.work import Lease, LeaseLost, RunStep, Shard

FRESH = "a fresh token"
FAILURE = Failure(code="model_error", message="no", stage="generate")
FILES = {"result_file_id": "file_r", "samples_file_id": "file_s"}


async def taken(stores: Stores, run_id: str, shard_no: int) -> Shard:
    job = await stores.shards.take(run_id, shard_no)
    assert job is not None
    return job.shard


async def work_off(stores: Stores, shard: Shard, *, failing: frozenset[int] = frozenset()) -> None:
    """Take every queued sample of a shard to its end, and the shard, too."""
    queued = await stores.samples.queued(shard, after=shard.from_index - 1, limit=100)
    generated = {
        sample.sample_index: Generated(
            sample_index=sample.sample_index,
            output_text=None if sample.sample_index in failing else "x",
            failure=FAILURE if sample.sample_index in failing else None,
        )
        for sample in queued
    }
    await stores.samples.write(shard, SampleChanges(generated=generated), repeated=False)
    await score(stores, shard)
    await stores.shards.finish(shard.lease)


async def score(stores: Stores, shard: Shard) -> None:
    graded = {
        index: Graded(
            sample_index=index,
            outcome=Outcome.SCORED,
            extracted_output=None,
            scores_json='{"score": 1}',
            judge_json=None,
            failure=None,
        )
        for index in await stores.samples.ready(shard)
    }
    if graded:
        await stores.samples.write(shard, SampleChanges(graded=graded), repeated=False)


async def complete(stores: Stores, run_id: str, files: dict[str, str] = FILES) -> Run:
    lease = (await stores.take_step(run_id, RunStep.FINALIZE)).lease
    counts = await stores.results.groups(run_id)
    summed = Counts(
        total=sum(group.counts.total for group in counts),
        completed=sum(group.counts.completed for group in counts),
        failed=sum(group.counts.failed for group in counts),
    )
    await stores.results.store(lease, metrics_json=b"{}", counts=summed, tokens=NO_TOKENS)
    await stores.results.complete(lease, **files)
    return await stores.runs.get(CALLER, run_id)


async def prepare_again(stores: Stores, run_id: str, items: int = 4) -> Lease:
    """Do what the worker of a requeued run does: nothing is prepared, the run is cut anew."""
    job = await stores.take_step(run_id, RunStep.PREPARE)
    await stores.steps.start(job.lease)
    done = await stores.preparations.prepared(job.lease)
    assert list(done) == [0]
    size = TaskSize(task_ord=0, item_count=items, aggregate=done[0].aggregate)
    plan = plan_shards([size], len(job.run.request.models), samples_max=2)
    await stores.preparations.complete(job.lease, plan)
    return job.lease


async def completed_run(stores: Stores) -> str:
    """Two shards of two samples, of which number 2 failed."""
    run_id = await stores.add_prepared_run()
    for number in (0, 1):
        await work_off(stores, await taken(stores, run_id, number), failing=frozenset({2}))
    await complete(stores, run_id)
    return run_id


async def test_a_rerun_does_the_failed_samples_again_and_no_others(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await completed_run(stores)
        first = await stores.query("SELECT sample_key, xmin FROM samples ORDER BY sample_index")

        run = await stores.changes.rerun_failed(CALLER, run_id, token=FRESH)

        assert (run.state, run.edition, run.metrics_json, run.ended_at) == (
            RunState.QUEUED,
            1,
            b"",
            None,
        )
        assert run.counts == Counts(total=4, completed=3, failed=0)
        assert run.artifact_file_ids == ["file_r", "file_s"]
        await prepare_again(stores, run_id)
        assert (await stores.runs.get(CALLER, run_id)).counts.completed == 3
        # Only the shard with something left to do is opened.
        assert await stores.shards.take(run_id, 0) is None
        shard = await taken(stores, run_id, 1)
        waiting = await stores.samples.queued(shard, after=1, limit=10)
        assert [sample.sample_index for sample in waiting] == [2]
        await work_off(stores, shard)
        run = await complete(stores, run_id, {"result_file_id": "r2", "samples_file_id": "s2"})
        assert (run.state, run.counts) == (RunState.COMPLETED, Counts(total=4, completed=4))
        after = await stores.query("SELECT sample_key, xmin FROM samples ORDER BY sample_index")
        assert [row["sample_key"] for row in after] == [row["sample_key"] for row in first]
        assert [n for n in range(4) if after[n]["xmin"] != first[n]["xmin"]] == [2]
        assert [file.id for file in await stores.discards.pending(limit=9)] == ["file_r", "file_s"]


async def test_what_a_rerun_replaces_is_kept_aside(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await completed_run(stores)
        await stores.changes.rerun_failed(CALLER, run_id, token=FRESH)

        (row,) = await stores.query("SELECT edition, sample FROM superseded_samples")

        assert row["edition"] == 0
        kept = orjson.loads(row["sample"])
        assert (kept["sample_index"], kept["error_code"]) == (2, "model_error")
        ((kept_token,),) = await stores.query("SELECT run_token FROM runs")
        assert kept_token == FRESH


async def test_a_run_without_failed_samples_and_an_unfinished_one_are_not_rerun(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(2)
        with pytest.raises(RunNotCompleted):
            await stores.changes.rerun_failed(CALLER, run_id, token="")
        await work_off(stores, await taken(stores, run_id, 0))
        await complete(stores, run_id)

        with pytest.raises(NoFailedSamples):
            await stores.changes.rerun_failed(CALLER, run_id, token="")
        with pytest.raises(RunNotRetryable):
            await stores.changes.retry(CALLER, run_id, token="")

        assert (await stores.runs.get(CALLER, run_id)).state is RunState.COMPLETED


async def test_a_late_worker_of_an_earlier_edition_changes_nothing(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()
        late = await taken(stores, run_id, 0)
        await stores.execute("UPDATE shards SET lease_until = now() - interval '1 hour'")
        await stores.changes.cancel(CALLER, run_id)
        await stores.changes.retry(CALLER, run_id, token="")
        result = SampleChanges(generated={0: Generated(sample_index=0, output_text="late")})
        with pytest.raises(LeaseLost):
            await stores.samples.write(late, result, repeated=True)
        await prepare_again(stores, run_id)
        taken_again = await taken(stores, run_id, 0)

        for attempt in (
            stores.samples.write(late, result, repeated=True),
            stores.shards.finish(late.lease),
        ):
            with pytest.raises(LeaseLost):
                await attempt
        assert await stores.leases.release(late.lease, mishap=False) == 0
        assert set(await stores.leases.renew([late.lease, taken_again.lease])) == {
            taken_again.lease
        }
        assert taken_again.lease.epoch > late.lease.epoch + 1_000_000


async def test_a_retry_keeps_scores_and_outputs_and_queues_the_rest(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()
        await work_off(stores, await taken(stores, run_id, 0))
        shard = await taken(stores, run_id, 1)
        output = SampleChanges(generated={2: Generated(sample_index=2, output_text="paid")})
        await stores.samples.write(shard, output, repeated=False)
        await stores.changes.cancel(CALLER, run_id)
        await stores.leases.release(shard.lease, mishap=False)

        run = await stores.changes.retry(CALLER, run_id, token="")

        assert (run.state, run.counts) == (RunState.QUEUED, Counts(total=4, completed=2))
        await prepare_again(stores, run_id)
        shard = await taken(stores, run_id, 1)
        assert await stores.samples.ready(shard) == [2]
        queued = await stores.samples.queued(shard, after=1, limit=9)
        assert [sample.sample_index for sample in queued] == [3]
        await work_off(stores, shard)
        assert (await complete(stores, run_id)).counts == Counts(total=4, completed=4)


async def test_a_failed_run_is_prepared_from_the_start_when_it_has_no_samples(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        job = await stores.take_step(await stores.add_run(), RunStep.PREPARE)
        await stores.steps.start(job.lease)
        await stores.steps.fail(job.lease, FAILURE)

        run = await stores.changes.retry(CALLER, job.run.id, token="")

        assert (run.state, run.error, run.ended_at) == (RunState.QUEUED, None, None)
        again = await stores.take_step(job.run.id, RunStep.PREPARE)
        assert await stores.preparations.prepared(again.lease) == {}


async def test_a_group_is_graded_as_a_whole_again_only_when_a_sample_of_it_is_rerun(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        models = ["good", "bad"]
        run_id = await stores.add_prepared_run(2, aggregate=True, models=models)
        for number, failing in ((0, frozenset[int]()), (1, frozenset({0}))):
            await work_off(stores, await taken(stores, run_id, number), failing=failing)
        # Grading a group starts with everything that was generated.
        for number in (2, 3):
            shard = await taken(stores, run_id, number)
            await stores.samples.restart_group(shard)
            await score(stores, shard)
            await stores.samples.add_group_metrics(shard, b'{"macro": 1}')
            await stores.shards.finish(shard.lease)
        run = await complete(stores, run_id)
        assert run.counts == Counts(total=4, completed=3, failed=1)

        await stores.changes.rerun_failed(CALLER, run_id, token="")
        await prepare_again(stores, run_id, items=2)

        states = await stores.query("SELECT model_ord, kind, state FROM shards ORDER BY shard_no")
        assert [tuple(row) for row in states] == [
            (0, "generate", "done"),
            (1, "generate", "dispatched"),
            (0, "aggregate", "done"),
            (1, "aggregate", "blocked"),
        ]
        counts = (await stores.runs.get(CALLER, run_id)).counts
        assert counts == Counts(total=4, completed=3, failed=0)


async def test_a_row_that_cannot_be_rendered_stays_failed_in_a_rerun(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await completed_run(stores)
        await stores.execute(
            "UPDATE samples SET error_stage = 'prepare', error_code = 'template_error'"
            " WHERE sample_index = 2"
        )

        run = await stores.changes.rerun_failed(CALLER, run_id, token="")
        assert run.counts == Counts(total=4, completed=3, failed=1)
        await prepare_again(stores, run_id)

        run = await complete(stores, run_id)
        assert run.counts == Counts(total=4, completed=3, failed=1)


async def test_a_rerun_that_is_cancelled_keeps_what_it_had(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await completed_run(stores)
        await stores.changes.rerun_failed(CALLER, run_id, token="")

        run = await stores.changes.cancel(CALLER, run_id)

        assert (run.state, run.counts) == (RunState.CANCELLED, Counts(total=4, completed=3))
        assert run.artifact_file_ids == []
        assert len(await stores.discards.pending(limit=9)) == 2
        run = await stores.changes.retry(CALLER, run_id, token="")
        assert run.counts == Counts(total=4, completed=3)
