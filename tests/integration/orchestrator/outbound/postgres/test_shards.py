import asyncio

import orjson
import pytest

from integration.orchestrator.outbound.postgres.stores import CALLER, Stores, opened
from orchestrator.domain.failure import Failure
from orchestrator.domain.outcomes import Generated, Graded, Outcome, SampleChanges
from orchestrator.domain.run_states import RunState
from orchestrator.domain.sharding import ShardKind
from orchestrator.domain.tokens import NO_TOKENS
from orchestrator.domain.work import LeaseLost, RunStep, Shard
from orchestrator.outbound.postgres.sample_writes import SamplesMissing
from orchestrator.outbound.postgres.shards import SamplesLeftOver


def generated(*indices: int) -> SampleChanges:
    outputs = {n: Generated(sample_index=n, output_text=str(n)) for n in indices}
    return SampleChanges(generated=outputs)


def graded(*indices: int) -> SampleChanges:
    scores = {
        n: Graded(sample_index=n, outcome=Outcome.SCORED, scores_json='{"score": 1}')
        for n in indices
    }
    return SampleChanges(graded=scores)


async def end(stores: Stores, shard: Shard) -> None:
    """Bring a shard's samples as far as its kind does."""
    indices = range(shard.from_index, shard.to_index)
    if shard.kind is not ShardKind.AGGREGATE:
        await stores.samples.write(shard, generated(*indices), repeated=False)
    if shard.kind is not ShardKind.GENERATE:
        await stores.samples.write(shard, graded(*indices), repeated=False)


async def take(stores: Stores, run_id: str, shard_no: int) -> Shard:
    job = await stores.shards.take(run_id, shard_no)
    assert job is not None
    return job.shard


async def states(stores: Stores, run_id: str) -> list[str]:
    rows = await stores.query(
        "SELECT state FROM shards WHERE run_id = $1 ORDER BY shard_no", run_id
    )
    return [row["state"] for row in rows]


async def test_two_workers_never_hold_the_same_shard(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()

        async with asyncio.TaskGroup() as tasks:
            attempts = [tasks.create_task(stores.shards.take(run_id, 0)) for _ in range(8)]

        assert sum(attempt.result() is not None for attempt in attempts) == 1


async def test_a_lease_that_ended_can_be_taken_and_the_old_holder_writes_nothing(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()
        old = await take(stores, run_id, 0)
        await stores.execute("UPDATE shards SET lease_until = now() - interval '1 s'")
        new = await take(stores, run_id, 0)

        with pytest.raises(LeaseLost):
            await stores.samples.write(old, generated(0), repeated=False)
        with pytest.raises(LeaseLost):
            await stores.shards.finish(old.lease)
        with pytest.raises(LeaseLost):
            await stores.steps.fail(old.lease, Failure(code="c", message="m", stage="generate"))
        assert await stores.leases.renew([old.lease, new.lease]) == {
            new.lease: (await stores.leases.renew([new.lease]))[new.lease]
        }
        assert await stores.leases.release(old.lease, mishap=True) == 0
        await stores.samples.write(new, generated(0), repeated=False)


async def test_a_write_under_way_holds_up_whoever_takes_the_shard_next(postgres_dsn: str) -> None:
    async def write(stores: Stores, shard: Shard) -> bool:
        try:
            await stores.samples.write(shard, generated(0, 1), repeated=False)
        except LeaseLost:
            return False
        return True

    async with opened(postgres_dsn) as stores:
        for _ in range(10):
            run_id = await stores.add_prepared_run()
            old = await take(stores, run_id, 0)
            await stores.execute("UPDATE shards SET lease_until = now() - interval '1 s'")

            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(write(stores, old))
                taking = tasks.create_task(take(stores, run_id, 0))

            # Whichever came first: the new holder sees all of the write, or it was refused.
            ready = list(await stores.samples.ready(taking.result()))
            assert ready == ([0, 1] if writing.result() else [])


async def test_a_taken_over_shard_begins_where_the_last_results_are(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(4, shard_size=4)
        shard = await take(stores, run_id, 0)
        await stores.samples.write(shard, generated(0, 1), repeated=False)
        in_hand = SampleChanges(generating={2}, scoring={0})
        await stores.samples.write(shard, in_hand, repeated=False)
        await stores.leases.release(shard.lease, mishap=False)

        again = await take(stores, run_id, 0)

        queued = await stores.samples.queued(again, after=-1, limit=10)
        assert [sample.sample_index for sample in queued] == [2, 3]
        assert list(await stores.samples.ready(again)) == [0, 1]


async def test_the_same_results_can_be_stored_twice_and_count_once(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(4, shard_size=4)
        shard = await take(stores, run_id, 0)
        failed = Generated(
            sample_index=3, failure=Failure(code="model_error", message="m", stage="generate")
        )
        changes = generated(0, 1, 2)
        changes.generated[3] = failed
        for repeated in (False, True):
            await stores.samples.write(shard, changes, repeated=repeated)
            await stores.samples.write(shard, graded(0, 1), repeated=repeated)

        ((completed, failures),) = await stores.query("SELECT completed, failed FROM shards")
        assert (completed, failures) == (2, 1)


async def test_results_for_samples_in_another_state_are_a_mistake(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        shard = await take(stores, await stores.add_prepared_run(), 0)

        with pytest.raises(SamplesMissing):
            await stores.samples.write(shard, graded(0), repeated=False)


async def test_a_shard_with_samples_left_is_not_done(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()
        shard = await take(stores, run_id, 0)
        await stores.samples.write(shard, generated(0, 1), repeated=False)

        with pytest.raises(SamplesLeftOver):
            await stores.shards.finish(shard.lease)
        assert (await states(stores, run_id))[0] == "leased"


async def test_the_next_shard_is_dispatched_with_the_end_of_one(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(6, shard_size=2)
        assert await states(stores, run_id) == ["dispatched", "dispatched", "waiting"]
        shard = await take(stores, run_id, 0)
        await end(stores, shard)

        grew = await stores.shards.finish(shard.lease)

        assert not grew
        assert await states(stores, run_id) == ["done", "dispatched", "dispatched"]
        sent = [orjson.loads(body) for body in await stores.messages("proctor.work.shard")]
        assert [message["shard_no"] for message in sent] == [0, 1, 2]


async def test_the_last_open_shard_gets_the_whole_share_and_hears_of_it(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(4, shard_size=2)
        first, last = await take(stores, run_id, 0), await take(stores, run_id, 1)
        await end(stores, first)

        assert await stores.shards.finish(first.lease)

        share = (await stores.leases.renew([last.lease]))[last.lease]
        assert share is not None
        assert (share.generation, share.grader) == (4, 2)


async def test_the_end_of_the_last_shard_is_the_start_of_finalizing(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(4, shard_size=2)
        shards = [await take(stores, run_id, number) for number in range(2)]
        for shard in shards:
            await end(stores, shard)

        async with asyncio.TaskGroup() as tasks:
            for shard in shards:
                tasks.create_task(stores.shards.finish(shard.lease))

        job = await stores.take_step(run_id, RunStep.FINALIZE)
        assert job.run.state is RunState.FINALIZING
        assert job.run.counts.completed == 4
        assert len(await stores.messages("proctor.work.run.finalize")) == 1


async def test_a_group_is_released_when_all_of_it_was_generated(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(4, shard_size=2, aggregate=True)
        assert await states(stores, run_id) == ["dispatched", "dispatched", "blocked"]
        for number in range(2):
            shard = await take(stores, run_id, number)
            await end(stores, shard)
            await stores.shards.finish(shard.lease)

        assert await states(stores, run_id) == ["done", "done", "dispatched"]
        job = await stores.shards.take(run_id, 2)
        assert job is not None
        assert (job.shard.kind, job.share.generation) == (ShardKind.AGGREGATE, 4)


async def test_a_group_starts_over_with_everything_that_was_generated(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(3, shard_size=3, aggregate=True)
        shard = await take(stores, run_id, 0)
        changes = generated(0, 1)
        changes.generated[2] = Generated(
            sample_index=2, failure=Failure(code="model_error", message="m", stage="generate")
        )
        await stores.samples.write(shard, changes, repeated=False)
        await stores.shards.finish(shard.lease)
        group = await take(stores, run_id, 1)
        await stores.samples.write(group, graded(0), repeated=False)
        await stores.samples.add_group_metrics(group, b'{"f1": 1}')

        assert list(await stores.samples.restart_group(group)) == [0, 1]

        assert await stores.query("SELECT 1 FROM aggregates") == []
        counts = await stores.query("SELECT completed, failed FROM shards ORDER BY shard_no")
        assert [tuple(row) for row in counts] == [(0, 1), (0, 0)]


async def test_a_failed_run_takes_all_its_leases_away(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()
        mine, other = await take(stores, run_id, 0), await take(stores, run_id, 1)
        failure = Failure(code="grader_invalid", message="m\x00", stage="score")

        await stores.steps.fail(mine.lease, failure)

        run = await stores.runs.get(CALLER, run_id)
        assert run.state is RunState.FAILED
        assert run.error == Failure(code="grader_invalid", message="m\ufffd", stage="score")
        assert await stores.leases.renew([mine.lease, other.lease]) == {}
        assert await stores.shards.take(run_id, 0) is None
        assert len(await stores.messages("proctor.events.run.failed.v1.org.team")) == 1


async def test_gradable_samples_come_in_the_order_asked_for_as_far_as_they_fit(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(4, shard_size=4)
        shard = await take(stores, run_id, 0)
        big = "x" * 2_000_000
        outputs = {n: Generated(sample_index=n, output_text=big) for n in range(4)}
        await stores.samples.write(shard, SampleChanges(generated=outputs), repeated=False)

        first = await stores.samples.gradable(shard, [3, 1, 2])
        assert [sample.sample_index for sample in first] == [3]
        assert (first[0].prompt, first[0].target, first[0].tokens) == ("prompt 3", "3", NO_TOKENS)
