"""What a run survives: its database and its message broker gone for a while."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration.orchestrator.world import World, task
from localstack.nats import NatsServer, running_nats
from localstack.ports import free_port
from localstack.postgres import Postgres, running_postgres
from proctor.runs.v1 import run_pb2

ROWS = 60
CONCURRENCY = 6

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def own_nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A NATS server that may be killed."""
    async with running_nats(tmp_path, port=free_port()) as server:
        yield server


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[Postgres]:
    """A Postgres server that may be killed."""
    async with running_postgres(tmp_path, port=free_port(), fast=True) as server:
        yield server


async def test_a_run_goes_on_after_nats_was_away(
    postgres_dsn: str, own_nats: NatsServer, blob_url: str
) -> None:
    world = World(postgres_dsn=postgres_dsn, nats_url=own_nats.url, blob_url=blob_url)
    async with world.neighbours(), world.orchestrator(shard_samples_max=10):
        suite_id = await world.create_suite(task(world.rows(ROWS)))
        await kill(own_nats.pid, own_nats)

        run_id = await world.create_run(suite_id)
        await asyncio.sleep(1)
        assert (await world.get_run(run_id)).state == run_pb2.RUN_STATE_QUEUED
        await own_nats.start()
        run = await world.ended(run_id, within_s=60)

    assert (run.state, run.request_counts.completed) == (run_pb2.RUN_STATE_COMPLETED, ROWS)
    assert world.bridge.repeats() == 0


async def test_a_run_goes_on_after_postgres_was_killed(
    own_postgres: Postgres, nats_url: str, blob_url: str
) -> None:
    dsn = await own_postgres.create_database("test")
    world = World(postgres_dsn=dsn, nats_url=nats_url, blob_url=blob_url)
    world.bridge.latency_s = 0.1
    async with world.neighbours(), world.orchestrator():
        suite_id = await world.create_suite(task(world.rows(ROWS)))
        run_id = await world.create_run(suite_id, generation_concurrency=CONCURRENCY)
        await world.until_counts(run_id, completed=10)

        await kill(own_postgres.pid, own_postgres)
        await asyncio.sleep(3)  # longer than a lease
        await own_postgres.start()
        run = await world.ended(run_id, within_s=60)

    assert (run.state, run.request_counts.completed) == (run_pb2.RUN_STATE_COMPLETED, ROWS)
    assert world.bridge.repeats() == 0


async def kill(pid: int, server: NatsServer | Postgres) -> None:
    os.kill(pid, signal.SIGKILL)
    await server.wait()
