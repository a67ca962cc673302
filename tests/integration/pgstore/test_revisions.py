from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from integration.pgstore.conftest import REVISIONS, SCHEMA
from integration.pgstore.test_migrations import LATER_REVISIONS
from pgstore.availability import StoreUnavailable
from pgstore.connecting import OneConnection
from pgstore.migrations import upgrade
from pgstore.revisions import is_up_to_date, newest_revision


async def up_to_date(dsn: str, versions_package: str) -> bool:
    async with OneConnection.open(dsn, schema=SCHEMA) as connections:
        return await is_up_to_date(connections, versions_package)


async def test_a_schema_at_the_newest_revision_is_up_to_date(migrated_dsn: str) -> None:
    assert await up_to_date(migrated_dsn, REVISIONS)


async def test_an_empty_database_is_not_up_to_date(postgres_dsn: str) -> None:
    assert not await up_to_date(postgres_dsn, REVISIONS)


async def test_a_schema_that_lacks_a_revision_is_not_up_to_date(migrated_dsn: str) -> None:
    assert not await up_to_date(migrated_dsn, LATER_REVISIONS)


async def test_a_schema_ahead_of_the_program_is_not_up_to_date(postgres_dsn: str) -> None:
    await upgrade(postgres_dsn, schema=SCHEMA, versions_package=LATER_REVISIONS)

    assert not await up_to_date(postgres_dsn, REVISIONS)


async def test_a_database_that_is_away_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await up_to_date("postgresql://x@127.0.0.1:1/x", REVISIONS)


@pytest.mark.parametrize("service", ["gateway", "importer", "orchestrator"])
def test_the_newest_revision_is_the_one_that_alembic_finds(service: str) -> None:
    package = f"{service}.outbound.migrations.versions"
    repository = Path(__file__).resolve().parents[3]
    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", str(repository / "libs/pgstore/environment"))
    config.set_main_option(
        "version_locations", str(repository / "services" / package.replace(".", "/"))
    )

    assert ScriptDirectory.from_config(config).get_current_head() == newest_revision(package)
