from datetime import timedelta
from uuid import uuid4

from integration.orchestrator.outbound.postgres.stores import CALLER, Stores, opened
from orchestrator.outbound.postgres.run_changes.purging import _TABLES, PostgresPurges

_KEPT = timedelta(days=30)
_DELETED = "UPDATE runs SET deleted_at = now() - make_interval(days => $2) WHERE run_id = $1"
_SUPERSEDED = "INSERT INTO superseded_samples VALUES ($1, 0, $2, '{}')"
_TABLES_OF_RUNS = """
SELECT table_name FROM information_schema.columns
WHERE table_schema = current_schema() AND column_name = 'run_id'
"""


async def deleted(stores: Stores, *, days_ago: int) -> str:
    """A run with samples that was deleted so long ago."""
    run_id = await stores.add_prepared_run(6)
    await stores.execute(_SUPERSEDED, uuid4(), run_id)
    await stores.changes.delete(CALLER, run_id)
    await stores.execute(_DELETED, run_id, days_ago)
    return run_id


async def rows(stores: Stores, run_id: str) -> int:
    """How many rows all tables together have of a run."""
    count = 0
    for (table,) in await stores.query(_TABLES_OF_RUNS):
        statement = f"SELECT count(*) FROM {table} WHERE run_id = $1"  # noqa: S608 -- ours
        count += (await stores.query(statement, run_id))[0][0]
    return count


async def test_a_run_that_was_deleted_long_ago_leaves_nothing(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        long_ago = await deleted(stores, days_ago=31)
        lately = await deleted(stores, days_ago=29)
        alive = await stores.add_prepared_run(6)
        before = [await rows(stores, run_id) for run_id in (lately, alive)]
        purges = PostgresPurges(stores.database, rows_max=4)

        rounds = 0
        while await purges.purge(kept=_KEPT):
            rounds += 1

        assert rounds > 2  # six items and six samples, four at a time
        assert await rows(stores, long_ago) == 0
        assert [await rows(stores, run_id) for run_id in (lately, alive)] == before


async def test_a_run_that_is_still_being_stopped_is_left_alone(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await deleted(stores, days_ago=99)
        await stores.execute(
            "UPDATE runs SET state = 'cancelling', ended_at = NULL WHERE run_id = $1", run_id
        )

        assert not await PostgresPurges(stores.database).purge(kept=_KEPT)


async def test_every_table_with_rows_of_runs_is_purged(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        known = {table for (table,) in await stores.query(_TABLES_OF_RUNS)}

        assert known == {*_TABLES, "runs"}
