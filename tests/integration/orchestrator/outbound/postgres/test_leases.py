import asyncio

import orjson
import pytest

from integration.orchestrator.outbound.postgres.stores import Stores, item, opened, prepared
from orchestrator.domain.work import Lease, LeaseLost, RunStep

LONG_AGO = "now() - interval '1 hour'"


async def sent(stores: Stores, subject: str) -> int:
    return len(await stores.messages(subject))


async def test_what_is_in_somebodys_hands_or_just_sent_is_left_alone(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        await stores.add_run()
        run_id = await stores.add_prepared_run()
        await stores.shards.take(run_id, 0)

        assert await stores.leases.sweep() == 0


async def test_a_run_whose_message_was_lost_is_sent_again_ever_more_rarely(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        await stores.add_run()
        found = []
        for age_s in (31, 31, 61):
            await stores.execute(
                f"UPDATE runs SET dispatched_at = now() - interval '{age_s} s'"  # noqa: S608
            )
            found.append(await stores.leases.sweep())

        assert found == [1, 0, 1]
        assert await sent(stores, "proctor.work.run.prepare") == 3


async def test_a_preparation_whose_worker_is_gone_is_sent_at_once(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_run()
        job = await stores.take_step(run_id, RunStep.PREPARE)
        await stores.steps.start(job.lease)
        assert await stores.steps.take(run_id, RunStep.PREPARE) is None
        await stores.execute(f"UPDATE runs SET lease_until = {LONG_AGO}")  # noqa: S608

        assert await stores.leases.sweep() == 1
        assert await stores.steps.take(run_id, RunStep.PREPARE) is not None


async def test_a_shard_whose_worker_is_gone_is_sent_once_and_can_be_kept_by_a_slow_worker(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()
        job = await stores.shards.take(run_id, 0)
        assert job is not None
        await stores.execute(f"UPDATE shards SET lease_until = {LONG_AGO} WHERE shard_no = 0")  # noqa: S608

        assert await stores.leases.sweep() == 1
        assert await stores.leases.sweep() == 0
        bodies = [orjson.loads(body) for body in await stores.messages("proctor.work.shard")]
        assert [body["shard_no"] for body in bodies] == [0, 1, 0]

        # The worker was only cut off: nobody took its shard, so it goes on.
        assert job.shard.lease in await stores.leases.renew([job.shard.lease])
        assert await stores.shards.take(run_id, 0) is None


async def test_a_stranded_run_gets_its_shards_opened(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()
        await stores.execute("UPDATE shards SET state = 'waiting'")

        assert await stores.leases.sweep() == 1
        assert await stores.shards.take(run_id, 0) is not None


async def test_a_run_whose_shards_are_all_done_is_finalised(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()
        await stores.execute("UPDATE shards SET state = 'done'")

        assert await stores.leases.sweep() == 1
        job = await stores.take_step(run_id, RunStep.FINALIZE)
        await stores.execute(f"UPDATE runs SET lease_until = {LONG_AGO}")  # noqa: S608
        assert await stores.leases.sweep() == 1
        assert await sent(stores, "proctor.work.run.finalize") == 2
        assert job.lease.epoch == 2


async def test_mishaps_are_counted_and_a_released_step_can_be_taken_at_once(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_run()
        for count in (1, 2):
            job = await stores.take_step(run_id, RunStep.PREPARE)
            assert await stores.leases.release(job.lease, mishap=True) == count
        shards = await stores.add_prepared_run()
        for count in (1, 2):
            taken = await stores.shards.take(shards, 0)
            assert taken is not None
            assert await stores.leases.release(taken.shard.lease, mishap=True) == count


async def test_a_preparation_that_was_taken_over_writes_nothing(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_run()
        old = (await stores.take_step(run_id, RunStep.PREPARE)).lease
        await stores.execute(f"UPDATE runs SET lease_until = {LONG_AGO}")  # noqa: S608
        new = (await stores.take_step(run_id, RunStep.PREPARE)).lease

        for attempt in (
            stores.steps.start(old),
            stores.preparations.prepared(old),
            stores.preparations.clear_task(old, 0),
            stores.preparations.add_items(old, 0, [item(0)]),
            stores.preparations.complete_task(old, prepared(1)),
            stores.preparations.complete(old, []),
        ):
            with pytest.raises(LeaseLost):
                await attempt
        assert set(await stores.leases.renew([old, new])) == {new}
        assert await stores.leases.renew([Lease(run_id="none", shard_no=None, epoch=1)]) == {}


async def test_a_late_renewal_does_not_take_back_what_was_released(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        step = (await stores.take_step(await stores.add_run(), RunStep.PREPARE)).lease
        run_id = await stores.add_prepared_run()
        job = await stores.shards.take(run_id, 0)
        assert job is not None
        for lease in (step, job.shard.lease):
            await stores.leases.release(lease, mishap=False)

        assert await stores.leases.renew([step, job.shard.lease]) == {}
        assert await stores.steps.take(step.run_id, RunStep.PREPARE) is not None
        assert await stores.shards.take(run_id, 0) is not None


async def test_what_was_released_after_the_sweep_stays_released(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()
        job = await stores.shards.take(run_id, 0)
        assert job is not None
        await stores.execute(f"UPDATE shards SET lease_until = {LONG_AGO} WHERE shard_no = 0")  # noqa: S608
        assert await stores.leases.sweep() == 1
        assert await stores.leases.release(job.shard.lease, mishap=True) == 1

        assert await stores.leases.renew([job.shard.lease]) == {}
        assert await stores.shards.take(run_id, 0) is not None


async def test_a_step_whose_worker_is_gone_is_sent_once_and_can_be_kept_by_a_slow_worker(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_run()
        lease = (await stores.take_step(run_id, RunStep.PREPARE)).lease
        await stores.execute(f"UPDATE runs SET lease_until = {LONG_AGO}")  # noqa: S608

        assert [await stores.leases.sweep() for _ in range(2)] == [1, 0]
        assert lease in await stores.leases.renew([lease])
        await stores.execute(f"UPDATE runs SET dispatched_at = {LONG_AGO}")  # noqa: S608
        assert await stores.leases.sweep() == 0
        assert await stores.steps.take(run_id, RunStep.PREPARE) is None


async def test_nobody_takes_over_while_a_lease_is_held_for_a_block(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_run()
        old = (await stores.take_step(run_id, RunStep.PREPARE)).lease
        await stores.execute(f"UPDATE runs SET lease_until = {LONG_AGO}")  # noqa: S608

        async with asyncio.TaskGroup() as tasks, stores.results.holding(old):
            taking = tasks.create_task(stores.steps.take(run_id, RunStep.PREPARE))
            await asyncio.wait([taking], timeout=0.2)
            assert not taking.done()

        assert taking.result() is not None
        with pytest.raises(LeaseLost):
            async with stores.results.holding(old):
                pass
