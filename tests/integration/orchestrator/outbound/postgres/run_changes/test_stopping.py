import asyncio

import orjson
import pytest

from integration.orchestrator.outbound.postgres.stores import CALLER, Stores, item, opened
from orchestrator.domain.failure import Failure
from orchestrator.domain.metrics import Counts
from orchestrator.domain.outcomes import Generated, SampleChanges
from orchestrator.domain.run import RunNotFound
from orchestrator.domain.run_states import RunNotCancellable, RunState
from orchestrator.domain.tokens import NO_TOKENS
from orchestrator.domain.work import Lease, LeaseLost, RunStep, Shard
from servicekit.caller import Caller

LONG_AGO = "now() - interval '1 hour'"
CANCELLED_EVENTS = "proctor.events.run.cancelled"
COMPLETED_EVENTS = "proctor.events.run.completed"
FAILURE = Failure(code="internal", message="no", stage="generate")


async def sample_states(stores: Stores, run_id: str) -> list[str]:
    statement = "SELECT state FROM samples WHERE run_id = $1 ORDER BY sample_index"
    return [row["state"] for row in await stores.query(statement, run_id)]


async def taken(stores: Stores, run_id: str, shard_no: int = 0) -> Shard:
    job = await stores.shards.take(run_id, shard_no)
    assert job is not None
    return job.shard


def outputs(*indices: int) -> SampleChanges:
    return SampleChanges(generated={n: Generated(sample_index=n, output_text="x") for n in indices})


async def test_a_queued_run_is_cancelled_at_once_and_said_so_once(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_run()

        states = [(await stores.changes.cancel(CALLER, run_id)).state for _ in range(3)]

        assert states == [RunState.CANCELLED] * 3
        (event,) = await stores.messages(CANCELLED_EVENTS)
        told = orjson.loads(event)["run"]
        assert (told["run_id"], told["state"]) == (run_id, "RUN_STATE_CANCELLED")
        assert await stores.steps.take(run_id, RunStep.PREPARE) is None
        assert (await stores.runs.get(CALLER, run_id)).ended_at is not None


async def test_a_worker_that_just_took_a_queued_run_does_not_start_it_any_more(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_run()
        job = await stores.take_step(run_id, RunStep.PREPARE)

        assert (await stores.changes.cancel(CALLER, run_id)).state is RunState.CANCELLED

        with pytest.raises(LeaseLost):
            await stores.steps.start(job.lease)


async def test_a_run_that_nobody_works_on_is_cancelled_at_once(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()

        run = await stores.changes.cancel(CALLER, run_id)

        assert (run.state, run.counts.total) == (RunState.CANCELLED, 4)
        assert await stores.shards.take(run_id, 0) is None
        assert await stores.leases.sweep() == 0


async def test_a_worker_hears_of_it_stores_what_it_has_and_ends_the_run_with_its_lease(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()
        first, second = await taken(stores, run_id, 0), await taken(stores, run_id, 1)
        await stores.samples.write(first, SampleChanges(generating={0, 1}), repeated=False)

        assert (await stores.changes.cancel(CALLER, run_id)).state is RunState.CANCELLING
        assert await stores.leases.renew([first.lease, second.lease]) == {}
        await stores.samples.write(first, outputs(0), repeated=False)
        await stores.leases.release(first.lease, mishap=False)
        assert (await stores.runs.get(CALLER, run_id)).state is RunState.CANCELLING
        await stores.leases.release(second.lease, mishap=False)

        assert (await stores.runs.get(CALLER, run_id)).state is RunState.CANCELLED
        # What came back stays, what was in flight is where its last stored result is.
        assert await sample_states(stores, run_id) == ["ready_to_score", *["queued"] * 3]
        assert len(await stores.messages(CANCELLED_EVENTS)) == 1
        with pytest.raises(LeaseLost):
            await stores.samples.write(second, outputs(2), repeated=False)


async def test_a_worker_that_is_gone_is_waited_for_no_longer_than_its_lease(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()
        shard = await taken(stores, run_id)
        await stores.samples.write(shard, SampleChanges(generating={0}), repeated=False)
        await stores.changes.cancel(CALLER, run_id)
        assert await stores.leases.sweep() == 0
        await stores.execute(f"UPDATE shards SET lease_until = {LONG_AGO} WHERE shard_no = 0")  # noqa: S608

        assert await stores.leases.sweep() == 1

        assert (await stores.runs.get(CALLER, run_id)).state is RunState.CANCELLED
        assert await sample_states(stores, run_id) == ["queued"] * 4
        with pytest.raises(LeaseLost):
            await stores.samples.write(shard, outputs(0), repeated=False)
        assert await stores.leases.sweep() == 0
        assert len(await stores.messages(CANCELLED_EVENTS)) == 1


async def test_the_last_shard_that_ends_while_the_run_is_being_cancelled_ends_the_run(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(2)
        shard = await taken(stores, run_id)
        failed = {n: Generated(sample_index=n, failure=FAILURE) for n in (0, 1)}
        await stores.changes.cancel(CALLER, run_id)
        await stores.samples.write(shard, SampleChanges(generated=failed), repeated=False)

        assert await stores.shards.finish(shard.lease) is False

        run = await stores.runs.get(CALLER, run_id)
        assert (run.state, run.counts.failed) == (RunState.CANCELLED, 2)
        assert await stores.messages("proctor.work.run.finalize") == []


async def test_a_preparation_stops_and_leaves_the_run_cancelled(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        lease = (await stores.take_step(await stores.add_run(), RunStep.PREPARE)).lease
        await stores.steps.start(lease)

        assert (await stores.changes.cancel(CALLER, lease.run_id)).state is RunState.CANCELLING
        assert await stores.leases.renew([lease]) == {}
        with pytest.raises(LeaseLost):
            await stores.steps.fail(lease, FAILURE)
        await stores.leases.release(lease, mishap=False)

        assert (await stores.runs.get(CALLER, lease.run_id)).state is RunState.CANCELLED
        with pytest.raises(LeaseLost):
            await stores.preparations.add_items(lease, 0, [item(0)])


async def finalizing(stores: Stores) -> Lease:
    run_id = await stores.add_prepared_run()
    await stores.execute("UPDATE shards SET state = 'done'")
    await stores.leases.sweep()
    lease = (await stores.take_step(run_id, RunStep.FINALIZE)).lease
    counts = Counts(total=4)
    await stores.results.store(lease, metrics_json=b"{}", counts=counts, tokens=NO_TOKENS)
    return lease


async def test_of_cancel_and_completion_the_first_one_counts(postgres_dsn: str) -> None:
    files = {"result_file_id": "file_r", "samples_file_id": "file_s"}
    async with opened(postgres_dsn) as stores:
        late, early = await finalizing(stores), await finalizing(stores)
        await stores.changes.cancel(CALLER, late.run_id)
        with pytest.raises(LeaseLost):
            await stores.results.complete(late, **files)
        await stores.leases.release(late, mishap=False)
        await stores.results.complete(early, **files)
        with pytest.raises(RunNotCancellable):
            await stores.changes.cancel(CALLER, early.run_id)

        for subject, run_id in ((CANCELLED_EVENTS, late.run_id), (COMPLETED_EVENTS, early.run_id)):
            told = [orjson.loads(body)["run"]["run_id"] for body in await stores.messages(subject)]
            assert told == [run_id]


async def test_cancel_and_completion_at_the_same_moment_end_in_one_state_with_one_event(
    postgres_dsn: str,
) -> None:
    async def cancel(stores: Stores, lease: Lease) -> None:
        try:
            await stores.changes.cancel(CALLER, lease.run_id)
        except RunNotCancellable:
            return

    async def complete(stores: Stores, lease: Lease) -> None:
        try:
            await stores.results.complete(lease, result_file_id="r", samples_file_id="s")
        except LeaseLost:
            await stores.leases.release(lease, mishap=False)

    async with opened(postgres_dsn) as stores:
        leases = [await finalizing(stores) for _ in range(12)]
        async with asyncio.TaskGroup() as tasks:
            for number, lease in enumerate(leases):
                both = (cancel, complete) if number % 2 else (complete, cancel)
                for action in both:
                    tasks.create_task(action(stores, lease))

        told = [
            orjson.loads(body)["run"]["run_id"]
            for subject in (CANCELLED_EVENTS, COMPLETED_EVENTS)
            for body in await stores.messages(subject)
        ]
        assert sorted(told) == sorted(lease.run_id for lease in leases)
        states = [(await stores.runs.get(CALLER, lease.run_id)).state for lease in leases]
        assert set(states) <= {RunState.CANCELLED, RunState.COMPLETED}


async def test_another_teams_run_is_not_there_to_be_cancelled(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_run()

        for caller, wanted in ((Caller(org_id="org", team_id="other"), run_id), (CALLER, "x")):
            with pytest.raises(RunNotFound):
                await stores.changes.cancel(caller, wanted)
        assert (await stores.runs.get(CALLER, run_id)).state is RunState.QUEUED
