"""Real parts for tests: one Postgres and one NATS a session, started when the first test asks."""

import ipaddress
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import nats
import pytest
import pytest_asyncio
import structlog

from localstack.nats import NatsServer, running_nats
from localstack.postgres import Postgres, running_postgres

# To make and drop a database on a disk takes a second, and most tests of services have their own.
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder with a name of its own is made there
MEMORY_FREE_MIN = 2 << 30  # a container may have as little as 64 MiB
WAL_MAX = "128MB"  # where it lies in memory, a gigabyte were too much


def place_of_state() -> Path | None:
    """Where servers of tests keep their data: in memory if there is room, else as tempfile says."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_FREE_MIN
    return MEMORY if has_room and os.access(MEMORY, os.W_OK) else None


@pytest.fixture(scope="session", autouse=True)
def this_machine_only() -> Iterator[None]:
    """Refuse connections to any other machine: no test may depend on one."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: tuple[str, int] | str) -> None:
        here = self.family == socket.AF_UNIX or address[0] == "localhost"
        if not here and not ipaddress.ip_address(address[0]).is_loopback:
            raise AssertionError(f"a test wanted to reach {address[0]}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_here)
        yield


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """Log without the local variables of every frame: those of one exception take seconds."""
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    others = structlog.get_config()["processors"][:-1]
    structlog.configure(processors=[*others, console])


@pytest.fixture(scope="session")
def state_dir() -> Iterator[Path]:
    # Not pytest's tmp_path: that one keeps the last three sessions, databases and all.
    with tempfile.TemporaryDirectory(prefix="proctor-test-", dir=place_of_state()) as folder:
        yield Path(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_server(state_dir: Path) -> AsyncIterator[Postgres]:
    async with running_postgres(state_dir, fast=True) as server:
        connection = await asyncpg.connect(server.dsn)
        await connection.execute(f"ALTER SYSTEM SET max_wal_size = '{WAL_MAX}'")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()
        yield server


@pytest.fixture
def postgres_template() -> str:
    """The database of which that of each test is a copy: one with a schema where all want it."""
    return "template1"


@pytest.fixture
async def postgres_dsn(postgres_server: Postgres, postgres_template: str) -> AsyncIterator[str]:
    """A database of the test's own, empty unless its folder says else; the user may do anything."""
    name = f"test_{uuid4().hex}"
    dsn = await postgres_server.create_database(name, template=postgres_template)
    yield dsn
    connection = await asyncpg.connect(postgres_server.dsn)
    try:
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def nats_server(state_dir: Path) -> AsyncIterator[NatsServer]:
    async with running_nats(state_dir) as server:
        yield server


@pytest.fixture
async def nats_url(nats_server: NatsServer) -> AsyncIterator[str]:
    """A server without streams; those of the test are deleted after it."""
    yield nats_server.url
    connection = await nats.connect(nats_server.url)
    try:
        jetstream = connection.jetstream()
        for stream in await jetstream.streams_info():
            await jetstream.delete_stream(stream.config.name or "")
    finally:
        await connection.close()


@pytest.fixture
def blob_url(tmp_path: Path) -> str:
    """A folder of the test's own."""
    return f"file://{tmp_path}/blobs"
