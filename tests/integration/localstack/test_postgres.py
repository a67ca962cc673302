import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import asyncpg
import pytest

from localstack.errors import StartError
from localstack.ports import free_port
from localstack.postgres import Postgres, running_postgres
from localstack.processes import until_gone


async def test_a_committed_row_survives_kill_and_restart(tmp_path: Path) -> None:
    async with running_postgres(tmp_path, fast=True) as server:
        connection = await asyncpg.connect(server.dsn)
        await connection.execute("CREATE TABLE kept (n int)")
        await connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")

        os.kill(server.pid, signal.SIGKILL)
        await server.wait()
        connection.terminate()
        await server.start()

        connection = await asyncpg.connect(server.dsn)
        assert await connection.fetchval("SELECT count(*) FROM kept") == 1000
        await connection.close()


async def test_the_password_is_asked_for_and_kept_private(tmp_path: Path) -> None:
    async with running_postgres(tmp_path, fast=True) as server:
        dsn = server.dsn_for("postgres", password="wrong")  # noqa: S106

        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(dsn)

    assert stat.S_IMODE((tmp_path / "postgres.password").stat().st_mode) == 0o600


async def test_a_stopped_server_comes_back_on_its_port_with_its_databases(tmp_path: Path) -> None:
    port = free_port()
    async with running_postgres(tmp_path, port=port, fast=True) as server:
        dsn = await server.create_database("kept")

    async with running_postgres(tmp_path, port=port, fast=True):
        connection = await asyncpg.connect(dsn)
        await connection.close()


async def test_a_half_made_data_folder_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")

    async with running_postgres(tmp_path, fast=True) as server:
        assert server.pid > 0

    assert not half.exists()


async def test_a_lock_of_a_dead_server_whose_pid_was_taken_does_not_block(tmp_path: Path) -> None:
    async with running_postgres(tmp_path, fast=True):
        pass
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n")

    async with running_postgres(tmp_path, fast=True) as server:
        assert server.pid > 0


async def test_a_taken_port_that_was_asked_for_is_reported_with_the_log(tmp_path: Path) -> None:
    taken = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]

    async with taken:
        with pytest.raises(StartError, match=r"Address already in use"):
            await Postgres(tmp_path, port=port, fast=True).start()


async def test_the_server_dies_with_a_killed_parent(tmp_path: Path) -> None:
    program = f"""
import asyncio, pathlib
from localstack.postgres import Postgres
async def main():
    server = Postgres(pathlib.Path({str(tmp_path)!r}), fast=True)
    await server.start()
    print(server.pid, flush=True)
    await server.wait()
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    pid = int(await parent.stdout.readline())

    parent.kill()
    await parent.wait()

    async with asyncio.timeout(20):
        await until_gone(pid)


async def test_a_server_that_outlived_its_launcher_is_replaced(tmp_path: Path) -> None:
    forgotten = Postgres(tmp_path, fast=True)
    await forgotten.start()
    orphan = forgotten.pid

    async with running_postgres(tmp_path, fast=True) as server:
        assert server.pid != orphan
        assert await forgotten.wait() == 0
