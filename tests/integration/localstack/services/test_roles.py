from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from localstack.postgres import Postgres, running_postgres
from localstack.services.roles import SCHEMAS, prepare_database
from localstack.stack.folder import StateFolder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    async with running_postgres(tmp_path_factory.mktemp("roles"), fast=True) as server:
        yield server


async def test_a_service_cannot_read_or_enter_another_ones_schema(
    server: Postgres, tmp_path: Path
) -> None:
    dsns = await prepare_database(server, StateFolder(tmp_path))
    for name, dsn in dsns.items():
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"CREATE TABLE IF NOT EXISTS {name}.secrets (n int)")
        await connection.close()

    for name, dsn in dsns.items():
        connection = await asyncpg.connect(dsn)
        for other in set(SCHEMAS) - {name}:
            for statement in (
                f"SELECT n FROM {other}.secrets",  # noqa: S608 - our own names
                f"CREATE TABLE {other}.mine (n int)",
                f"SET ROLE {other}",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        for statement in ("CREATE TABLE public.mine (n int)", "CREATE SCHEMA mine"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        await connection.close()


async def test_preparing_again_keeps_data_and_follows_the_folders_passwords(
    server: Postgres, tmp_path: Path
) -> None:
    before = await prepare_database(server, StateFolder(tmp_path / "a"))
    connection = await asyncpg.connect(before["importer"])
    await connection.execute("CREATE TABLE importer.kept (n int)")
    await connection.close()

    after = await prepare_database(server, StateFolder(tmp_path / "b"))

    connection = await asyncpg.connect(after["importer"])
    assert await connection.fetchval("SELECT count(*) FROM importer.kept") == 0
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(before["importer"])
