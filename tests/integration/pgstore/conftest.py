from collections.abc import AsyncIterator

import pytest

from pgstore.database import Database
from pgstore.migrations import upgrade

SCHEMA = "orchestrator"
REVISIONS = "integration.pgstore.revisions"


@pytest.fixture
async def migrated_dsn(postgres_dsn: str) -> str:
    await upgrade(postgres_dsn, schema=SCHEMA, versions_package=REVISIONS)
    return postgres_dsn


@pytest.fixture
async def database(migrated_dsn: str) -> AsyncIterator[Database]:
    async with Database.connect(migrated_dsn, schema=SCHEMA, pool_size=4) as database:
        yield database
