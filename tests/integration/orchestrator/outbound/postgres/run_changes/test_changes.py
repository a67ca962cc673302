import asyncio

import pytest

from integration.orchestrator.outbound.postgres.stores import CALLER, Stores, opened, request
from orchestrator.domain.listing import Page, RunFilter
from orchestrator.domain.run import RunNotFound
from orchestrator.domain.run_states import RunState
from orchestrator.domain.suite import SuiteNotFound, VersionRef
from servicekit.caller import Caller

OTHERS = Caller(org_id="org", team_id="other")


async def suite_of(stores: Stores, run_id: str) -> str:
    return (await stores.runs.get(CALLER, run_id)).suite_id


async def version_of(stores: Stores, suite_id: str) -> VersionRef:
    version = await stores.suites.find_version(CALLER, suite_id, None)
    assert version is not None
    return version


async def test_a_deleted_run_is_gone_from_every_read_and_its_artifacts_are_discarded(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id, kept = await stores.add_run(), await stores.add_run()
        await stores.execute(
            "UPDATE runs SET state = 'completed', ended_at = now(), result_file_id = 'r',"
            " samples_file_id = 's' WHERE run_id = $1",
            run_id,
        )

        await stores.changes.delete(CALLER, run_id)

        for read in (stores.runs.get(CALLER, run_id), stores.changes.delete(CALLER, run_id)):
            with pytest.raises(RunNotFound):
                await read
        listed = await stores.runs.list_page(CALLER, RunFilter(), Page(size=9))
        assert [run.id for run in listed.entries] == [kept]
        discarded = await stores.discards.pending(limit=9)
        assert [(file.id, file.org_id, file.team_id) for file in discarded] == [
            ("r", "org", "team"),
            ("s", "org", "team"),
        ]


async def test_an_unfinished_run_that_is_deleted_is_cancelled_by_its_worker_all_the_same(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run()
        job = await stores.shards.take(run_id, 0)
        assert job is not None

        await stores.changes.delete(CALLER, run_id)
        assert await stores.leases.renew([job.shard.lease]) == {}
        await stores.leases.release(job.shard.lease, mishap=False)

        ((state,),) = await stores.query("SELECT state FROM runs WHERE run_id = $1", run_id)
        assert state == RunState.CANCELLED
        assert len(await stores.messages("proctor.events.run.cancelled")) == 1


async def test_a_suite_goes_with_all_its_runs_and_counts_those_it_hid(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        prepared, other = await stores.add_prepared_run(), await stores.add_run()
        finished = f"eval_run_{3:032x}"
        suite_id = await suite_of(stores, prepared)
        version = await version_of(stores, suite_id)
        queued, gone = f"eval_run_{1:032x}", f"eval_run_{2:032x}"
        for run_id in (queued, gone, finished):
            await stores.runs.add(CALLER, run_id, request(), version, "token")
        await stores.changes.delete(CALLER, gone)
        await stores.execute(
            "UPDATE runs SET state = 'completed', ended_at = now(), result_file_id = 'r',"
            " samples_file_id = 's' WHERE run_id = $1",
            finished,
        )

        with pytest.raises(SuiteNotFound):
            await stores.changes.delete_suite(OTHERS, suite_id)
        assert await stores.changes.delete_suite(CALLER, suite_id) == 3

        for run_id in (prepared, queued, finished):
            with pytest.raises(RunNotFound):
                await stores.runs.get(CALLER, run_id)
        for read in (
            stores.suites.get(CALLER, suite_id),
            stores.suites.get_version(CALLER, suite_id, 1),
            stores.suites.list_versions(CALLER, suite_id, Page(size=1)),
            stores.changes.delete_suite(CALLER, suite_id),
        ):
            with pytest.raises(SuiteNotFound):
                await read
        statement = "SELECT state FROM runs WHERE suite_id = $1 ORDER BY state"
        states = [row["state"] for row in await stores.query(statement, suite_id)]
        assert states == [*[RunState.CANCELLED] * 3, RunState.COMPLETED]
        assert [file.id for file in await stores.discards.pending(limit=9)] == ["r", "s"]
        assert (await stores.runs.get(CALLER, other)).state is RunState.QUEUED


async def test_no_run_of_a_suite_begins_after_its_deletion(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        suite_id = await suite_of(stores, await stores.add_run())
        version = await version_of(stores, suite_id)
        added: list[int] = []

        async def add(number: int) -> None:
            try:
                run_id = f"eval_run_{number:032x}"
                await stores.runs.add(CALLER, run_id, request(), version, "token")
            except SuiteNotFound:
                return
            added.append(number)

        async with asyncio.TaskGroup() as tasks:
            for number in range(8):
                tasks.create_task(add(number))
            deleting = tasks.create_task(stores.changes.delete_suite(CALLER, suite_id))

        assert deleting.result() == len(added) + 1
        with pytest.raises(SuiteNotFound):
            await stores.runs.add(CALLER, f"eval_run_{9:032x}", request(), version, "token")
