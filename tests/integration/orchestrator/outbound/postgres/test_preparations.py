from integration.orchestrator.outbound.postgres.stores import CALLER, item, opened, prepared
from orchestrator.domain.ids import sample_key
from orchestrator.domain.sharding import TaskSize, plan_shards
from orchestrator.domain.work import RunStep


async def test_a_sample_in_the_table_has_the_id_that_the_rules_give_it(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(2, models=["a", "b"])

        rows = await stores.query("SELECT model_ord, sample_index, sample_key FROM samples")

        assert len(rows) == 4
        for row in rows:
            place = (run_id, 0, row["model_ord"], row["sample_index"])
            assert row["sample_key"].hex == sample_key(*place)


async def test_an_interrupted_task_starts_over_and_a_completed_one_is_kept(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        lease = (await stores.take_step(await stores.add_run(), RunStep.PREPARE)).lease
        await stores.preparations.add_items(lease, 0, [item(0), item(1)])
        await stores.preparations.clear_task(lease, 0)
        await stores.preparations.add_items(lease, 0, [item(0)])
        await stores.preparations.complete_task(lease, prepared(1))

        found = await stores.preparations.prepared(lease)

        assert found == {0: TaskSize(task_ord=0, item_count=1, aggregate=False)}
        assert len(await stores.query("SELECT 1 FROM samples")) == 1


async def test_samples_that_failed_in_prepare_count_from_the_start(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_run(models=["a", "b"])
        lease = (await stores.take_step(run_id, RunStep.PREPARE)).lease
        await stores.steps.start(lease)
        items = [item(index, error="template_error" if index == 2 else None) for index in range(3)]
        await stores.preparations.add_items(lease, 0, items)
        await stores.preparations.complete_task(lease, prepared(3))
        size = TaskSize(task_ord=0, item_count=3, aggregate=False)

        await stores.preparations.complete(lease, plan_shards([size], 2, samples_max=2))

        counts = (await stores.runs.get(CALLER, run_id)).counts
        assert (counts.total, counts.completed, counts.failed) == (6, 0, 2)
        rows = await stores.query("SELECT from_index, failed FROM shards ORDER BY shard_no")
        assert [tuple(row) for row in rows] == [(0, 0), (0, 0), (1, 1), (1, 1)]


async def test_many_shards_with_failed_samples_are_counted_without_statistics(
    postgres_dsn: str,
) -> None:
    count = 2000
    async with opened(postgres_dsn) as stores:
        lease = (await stores.take_step(await stores.add_run(), RunStep.PREPARE)).lease
        await stores.steps.start(lease)
        items = [item(index, error="template_error") for index in range(count)]
        await stores.preparations.add_items(lease, 0, items)
        await stores.preparations.complete_task(lease, prepared(count, aggregate=True))
        size = TaskSize(task_ord=0, item_count=count, aggregate=True)

        await stores.preparations.complete(lease, plan_shards([size], 1, samples_max=1))

        rows = await stores.query("SELECT kind, failed, count(*) FROM shards GROUP BY 1, 2")
        assert {tuple(row) for row in rows} == {("generate", 1, count), ("aggregate", 0, 1)}
