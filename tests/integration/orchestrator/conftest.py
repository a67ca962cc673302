"""A world for each test."""

import pytest
import pytest_asyncio

from integration.orchestrator.world import World
from localstack.postgres import Postgres
from orchestrator.app import SCHEMA, VERSIONS
from pgstore.migrations import upgrade


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_database(postgres_server: Postgres) -> str:
    """Name of a database that has the orchestrator's schema and no rows; nobody connects to it."""
    name = "orchestrator_template"
    dsn = await postgres_server.create_database(name)
    await upgrade(dsn, schema=SCHEMA, versions_package=VERSIONS)
    return name


@pytest.fixture
def postgres_template(migrated_database: str) -> str:
    """An orchestrator that starts over a copy finds nothing to migrate: it saves half a second."""
    return migrated_database


@pytest.fixture
def world(postgres_dsn: str, nats_url: str, blob_url: str) -> World:
    return World(postgres_dsn=postgres_dsn, nats_url=nats_url, blob_url=blob_url)
