import asyncio
from collections.abc import Iterable

import asyncpg
import pytest

from integration.pgstore.conftest import REVISIONS, SCHEMA
from pgstore.availability import StoreUnavailable
from pgstore.migrations import upgrade

LATER_REVISIONS = "integration.pgstore.later_revisions"


async def column_names(dsn: str, table: str, *, schema: str = SCHEMA) -> Iterable[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position",
            schema,
            table,
        )
    finally:
        await connection.close()
    return [row["column_name"] for row in rows]


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_an_empty_database_gets_the_schema_and_its_tables(postgres_dsn: str) -> None:
    await upgrade(postgres_dsn, schema=SCHEMA, versions_package=REVISIONS)

    assert await column_names(postgres_dsn, "item") == ["id", "name", "facts"]
    assert await column_names(postgres_dsn, "outbox")
    assert await column_names(postgres_dsn, "alembic_version")
    assert not await column_names(postgres_dsn, "item", schema="public")


async def test_replicas_that_start_together_do_it_once(postgres_dsn: str) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(upgrade(postgres_dsn, schema=SCHEMA, versions_package=REVISIONS))

    assert await column_names(postgres_dsn, "item")


async def test_a_second_start_changes_nothing(migrated_dsn: str) -> None:
    await execute(migrated_dsn, "INSERT INTO orchestrator.item VALUES (1, 'kept')")

    await upgrade(migrated_dsn, schema=SCHEMA, versions_package=REVISIONS)

    assert await column_names(migrated_dsn, "item") == ["id", "name", "facts"]


async def test_only_the_revisions_that_lack_are_applied(migrated_dsn: str) -> None:
    await upgrade(migrated_dsn, schema=SCHEMA, versions_package=LATER_REVISIONS)

    assert await column_names(migrated_dsn, "item") == ["id", "name", "facts", "weight"]


async def test_an_old_replica_starts_on_a_newer_schema(postgres_dsn: str) -> None:
    await upgrade(postgres_dsn, schema=SCHEMA, versions_package=LATER_REVISIONS)

    await upgrade(postgres_dsn, schema=SCHEMA, versions_package=REVISIONS)

    assert "weight" in await column_names(postgres_dsn, "item")


async def test_two_services_share_a_database_without_meeting(postgres_dsn: str) -> None:
    await upgrade(postgres_dsn, schema="one", versions_package=REVISIONS)
    await upgrade(postgres_dsn, schema="other", versions_package=LATER_REVISIONS)

    assert "weight" not in await column_names(postgres_dsn, "item", schema="one")
    assert "weight" in await column_names(postgres_dsn, "item", schema="other")


async def test_a_role_that_may_not_create_schemas_uses_the_one_it_was_given(
    postgres_dsn: str,
) -> None:
    name = postgres_dsn.rpartition("/")[2]
    await execute(postgres_dsn, f"CREATE ROLE r_{name} LOGIN PASSWORD 'x'")
    await execute(postgres_dsn, f"CREATE SCHEMA {SCHEMA} AUTHORIZATION r_{name}")
    before, _, host = postgres_dsn.partition("@")
    dsn = f"{before.partition('://')[0]}://r_{name}:x@{host}"

    await upgrade(dsn, schema=SCHEMA, versions_package=REVISIONS)

    assert await column_names(postgres_dsn, "item")
    await execute(postgres_dsn, f"DROP OWNED BY r_{name}; DROP ROLE r_{name}")


async def test_a_schema_with_a_strange_name_is_refused(postgres_dsn: str) -> None:
    with pytest.raises(ValueError, match="schema name"):
        await upgrade(postgres_dsn, schema='x"; DROP', versions_package=REVISIONS)


async def test_a_database_that_is_away_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await upgrade("postgresql://x@127.0.0.1:1/x", schema=SCHEMA, versions_package=REVISIONS)
