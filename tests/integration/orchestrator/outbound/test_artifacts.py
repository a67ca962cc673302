from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest

from integration.orchestrator.outbound.postgres.stores import CALLER, Stores, opened
from integration.orchestrator.world import SECRET, World
from orchestrator.domain.run import Run
from orchestrator.domain.work import Lease, LeaseLost, RunJob, RunStep
from orchestrator.outbound.artifacts import RunArtifacts
from orchestrator.outbound.services.importer import GrpcFiles
from servicekit.caller import calling_as
from servicekit.client import open_channel

FILE_ID = "file_" + "0" * 32


@asynccontextmanager
async def storing(world: World) -> AsyncIterator[tuple[Stores, RunArtifacts]]:
    async with opened(world.postgres_dsn) as stores, world.neighbours():
        address = world.addresses["importer_address"]
        async with open_channel(address, secret=SECRET) as channel:
            with calling_as(CALLER):
                yield stores, RunArtifacts(GrpcFiles(channel))


async def store(stores: Stores, artifacts: RunArtifacts, run: Run, lease: Lease) -> None:
    def fence() -> AbstractAsyncContextManager[None]:
        return stores.results.holding(lease)

    suite, version = await stores.results.origin(run.id)
    await artifacts.store_results(run, suite, version, fence)


def as_completed(job: RunJob, **changes: object) -> Run:
    return replace(job.run, result_file_id=FILE_ID, **changes)  # type: ignore[arg-type]


async def test_an_attempt_replaces_what_an_earlier_one_left(world: World) -> None:
    async with storing(world) as (stores, artifacts):
        job = await stores.take_step(await stores.add_run(), RunStep.PREPARE)
        await store(stores, artifacts, as_completed(job), job.lease)
        await store(stores, artifacts, as_completed(job, org_id="later"), job.lease)

    assert b'"org_id":"later"' in world.importer.content(FILE_ID)


async def test_a_stale_worker_does_not_delete_what_its_successor_left(world: World) -> None:
    async with storing(world) as (stores, artifacts):
        run_id = await stores.add_run()
        stale = await stores.take_step(run_id, RunStep.PREPARE)
        await stores.execute("UPDATE runs SET lease_until = now() - interval '1 hour'")
        job = await stores.take_step(run_id, RunStep.PREPARE)
        await store(stores, artifacts, as_completed(job, org_id="successor"), job.lease)

        with pytest.raises(LeaseLost):
            await store(stores, artifacts, as_completed(stale, org_id="stale"), stale.lease)

    assert b'"org_id":"successor"' in world.importer.content(FILE_ID)
