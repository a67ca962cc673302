"""One of the four services as a child process."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from localstack.processes import Process
from localstack.stack.folder import StateFolder

START_S = 90.0  # takes 2 s on an idle machine; the grader fills the folder of its jails once
STOP_S = 12.0  # services promise to end within 10 s of SIGTERM
ASK_S = 2.0
RETRY_S = 0.1
_QUICK_RECONNECT = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_http_proxy", 0),  # see the other client of `_until_ready`
)


class Service:
    """A service of ours: `python -m <name>`.

    Args:
        name: package and log file.
        folder: has its log.
        cwd: its working folder.
        environment: everything it is told.
        rpc_address: where its gRPC health service will answer.
        ready_url: what must answer with success besides; empty for nothing.
    """

    def __init__(
        self,
        name: str,
        *,
        folder: StateFolder,
        cwd: Path,
        environment: Mapping[str, str],
        rpc_address: str,
        ready_url: str = "",
    ) -> None:
        self.name = name
        self._folder = folder
        self._cwd = cwd
        self._environment = environment
        self._rpc_address = rpc_address
        self._ready_url = ready_url
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """Process id of the service; 0 when it was not started."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.exit_code is None

    async def start(self) -> None:
        """Start the service and wait until it says that it can work.

        Raises:
            StartError: it did not get ready; the message carries the end of its log.
        """
        process = await Process.spawn(
            # -P: a folder `gateway` where the stack was started must not be taken for ours.
            [sys.executable, "-P", "-m", self.name],
            log_path=self._folder.logs / f"{self.name}.log",
            env=self._environment,
            cwd=self._cwd,
        )
        self._process = process
        try:
            async with asyncio.timeout(START_S):
                await self._until_ready(process)
        except TimeoutError:
            await self.stop()
            raise process.failure(f"the {self.name}") from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ask the service to end, and kill it when it does not."""
        if self._process:
            await self._process.stop(signal.SIGTERM, grace_s=STOP_S)

    async def wait(self) -> int:
        """Wait until the service ended."""
        return await self._process.wait() if self._process else 0

    async def _until_ready(self, process: Process) -> None:
        async with (
            grpc.aio.insecure_channel(self._rpc_address, options=_QUICK_RECONNECT) as channel,
            # The environment may name a proxy, which knows nothing of our loopback.
            httpx.AsyncClient(timeout=ASK_S, trust_env=False) as client,
        ):
            health = health_pb2_grpc.HealthStub(channel)
            while process.exit_code is None:
                if await _serves(health) and await self._answers(client):
                    return
                await asyncio.sleep(RETRY_S)
        raise process.failure(f"the {self.name}")

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        if not self._ready_url:
            return True
        try:
            return (await client.get(self._ready_url)).is_success
        except httpx.TransportError:
            return False


async def _serves(health: health_pb2_grpc.HealthStub) -> bool:
    try:
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=ASK_S)
    except grpc.aio.AioRpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
