import asyncio
import os
import signal
from collections.abc import Awaitable
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from integration.pgstore.conftest import SCHEMA
from localstack.postgres import running_postgres
from pgstore.availability import StoreUnavailable
from pgstore.database import Database, RawConnection


async def run(session: AsyncSession, statement: str) -> object:
    return (await (await session.connection()).execute(text(statement))).scalar_one_or_none()


async def names(database: Database) -> list[str]:
    async with database.connection() as connection:
        return [row["name"] for row in await connection.fetch("SELECT name FROM item ORDER BY id")]


INSERT = "INSERT INTO item VALUES (1, 'a') RETURNING id"


async def test_a_transaction_is_committed_at_the_end_of_its_block(database: Database) -> None:
    async with database.transaction() as session:
        await run(session, INSERT)

    assert await names(database) == ["a"]


async def test_an_exception_undoes_the_transaction_and_comes_out_as_it_is(
    database: Database,
) -> None:
    with pytest.raises(KeyError):
        async with database.transaction() as session:
            await run(session, INSERT)
            raise KeyError

    assert await names(database) == []


async def test_a_cancelled_transaction_is_undone_and_gives_its_connection_back(
    database: Database,
) -> None:
    for _ in range(10):  # more than the pool has
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02), database.transaction() as session:
                await run(session, INSERT)
                await run(session, "SELECT pg_sleep(10)::text")

    assert await names(database) == []


async def test_a_broken_rule_of_a_table_is_no_outage(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await run(session, INSERT)
            await run(session, INSERT)


async def test_an_error_of_the_system_inside_a_block_is_not_taken_for_an_outage(
    database: Database,
) -> None:
    with pytest.raises(FileNotFoundError):
        async with database.transaction():
            raise FileNotFoundError


@pytest.mark.parametrize("given", ['{"a": [1, "é"]}', b'{"a": [1, "\xc3\xa9"]}'])
async def test_json_passes_as_text(database: Database, given: str | bytes) -> None:
    async with database.connection() as connection:
        await connection.execute("INSERT INTO item VALUES (1, 'a', $1)", given)
        stored = await connection.fetchval("SELECT facts FROM item")

    assert stored == '{"a": [1, "é"]}'


async def test_both_kinds_of_connection_see_the_schema_first(database: Database) -> None:
    async with database.connection() as connection, database.transaction() as session:
        raw = await connection.fetchval("SELECT current_schema()")
        assert raw == await run(session, "SELECT current_schema()") == SCHEMA


async def test_a_raw_connection_is_given_back(database: Database) -> None:
    for _ in range(10):
        async with database.connection() as connection:
            await connection.fetchval("SELECT 1")


async def test_an_address_where_nobody_listens_stops_the_start() -> None:
    with pytest.raises(StoreUnavailable):
        async with Database.connect("postgresql://x@127.0.0.1:1/x", schema=SCHEMA):
            pass


async def test_a_listener_is_woken_by_a_notification(database: Database) -> None:
    woken = asyncio.Event()

    async with asyncio.timeout(10), database.listening("news", woken.set):
        async with database.connection() as connection:
            await connection.execute("NOTIFY news")
        await woken.wait()


async def sleep_on(database: Database) -> None:
    async with database.connection() as connection:
        await connection.fetchval("SELECT pg_sleep(60)::text")


async def sleep_in_a_transaction(database: Database) -> None:
    async with database.transaction() as session:
        await run(session, "SELECT pg_sleep(60)::text")


async def backends_sleep(connection: RawConnection, count: int) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    while await connection.fetchval(query) != count:
        await asyncio.sleep(0)


async def test_a_killed_postgres_is_unavailable_and_after_its_return_all_goes_on(
    tmp_path: Path,
) -> None:
    async with running_postgres(tmp_path, fast=True) as server:
        port, dsn = server.port, server.dsn
        async with Database.connect(dsn, schema="public", pool_size=4) as database:
            async with asyncio.TaskGroup() as tasks:
                victims = [
                    tasks.create_task(_outcome(sleep_on(database))),
                    tasks.create_task(_outcome(sleep_in_a_transaction(database))),
                ]
                async with database.connection() as connection:
                    await backends_sleep(connection, 2)
                os.kill(server.pid, signal.SIGKILL)
            await server.stop()
            assert [type(task.result()) for task in victims] == [StoreUnavailable] * 2
            assert type(await _outcome(sleep_on(database))) is StoreUnavailable
            assert type(await _outcome(sleep_in_a_transaction(database))) is StoreUnavailable

            async with running_postgres(tmp_path, port=port, fast=True):
                async with database.connection() as connection:
                    assert await connection.fetchval("SELECT 1") == 1
                async with database.transaction() as session:
                    assert await run(session, "SELECT 1") == 1


async def test_a_backend_that_is_ended_costs_one_call(database: Database) -> None:
    async with database.transaction() as session:
        await run(session, "SELECT 1")
    async with database.connection() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    async with asyncio.timeout(10):
        while await _outcome(_ask(database)) is not None:
            await asyncio.sleep(0)

    async with database.transaction() as session:
        assert await run(session, "SELECT 1") == 1


async def _ask(database: Database) -> None:
    async with database.transaction() as session:
        await run(session, "SELECT 1")


async def _outcome(asking: Awaitable[None]) -> BaseException | None:
    try:
        await asking
    except (StoreUnavailable, asyncpg.PostgresError) as error:
        return error
    return None
