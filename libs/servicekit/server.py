"""The gRPC server of a service."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from servicekit import logs
from servicekit.interception import CallGuard
from servicekit.status import METADATA_BYTES_MAX

MESSAGE_BYTES_MAX = (
    16 * 1024 * 1024
)  # room for a batch of large rows; files and blobs are streamed in chunks
UNARY_LIMIT_S = 60.0  # a caller that sets no deadline does not hold a handler for longer
READINESS_PERIOD_S = 2.0

_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES_MAX),
    # Else a second process on the same port would silently take half the calls.
    ("grpc.so_reuseport", 0),
    # Our clients ping every 30 s while they call; without this, gRPC answers the third ping with
    # GOAWAY.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)

_log = logs.get_logger("servicekit.server")

AddServicer = Callable[[Any, Any], None]
Service = tuple[AddServicer, Any, str]


class RpcServer:
    """Serves `services` with health and reflection; the port is bound as soon as it is made.

    Args:
        address: `host:port` or `unix:/path`; port 0 takes a free one.
        secret: verifies callers; the same bytes in every service.
        services: generated `add_XServicer_to_server`, the servicer, and the service's full proto
            name. stop_grace_s: how long calls in flight may still take when the server stops.
            ready: asked every 2 s; while it answers False (or raises) the health service says
            NOT_SERVING.

    Make it inside the running loop.

    Raises:
        RuntimeError: the address is taken or cannot be bound.
        ValueError: the secret has fewer than 32 bytes.
    """

    def __init__(
        self,
        *,
        address: str,
        secret: bytes,
        services: Sequence[Service],
        stop_grace_s: float = 5.0,
        ready: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        guard = CallGuard(secret, unary_limit_s=UNARY_LIMIT_S, answer_bytes_max=MESSAGE_BYTES_MAX)
        self._server = grpc.aio.server(interceptors=(guard,), options=_OPTIONS)
        self._names = tuple(name for _, _, name in services)
        self._stop_grace_s = stop_grace_s
        self._ready = ready
        self._health = health.aio.HealthServicer()
        for add_to_server, servicer, _ in services:
            add_to_server(servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        self._address = address
        self._port = self._server.add_insecure_port(address)

    @property
    def port(self) -> int:
        """The bound port."""
        return self._port

    async def run(self) -> None:
        """Serve until cancelled; then say NOT_SERVING, let calls in flight end, and stop."""
        await self._say(serving=self._ready is None)
        await self._server.start()
        _log.info("rpc_server_started", address=self._address, port=self._port)
        try:
            await self._watch_readiness()
        finally:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(self._stop_grace_s)
            _log.info("rpc_server_stopped", port=self._port)

    async def _watch_readiness(self) -> None:
        if self._ready is None:
            # Cancelling the server's own wait_for_termination breaks the stop that follows.
            await asyncio.Event().wait()
            return
        serving: bool | None = None
        while True:
            now_serving = await _asked(self._ready)
            if now_serving != serving:
                serving = now_serving
                await self._say(serving=serving)
                _log.info("readiness_changed", serving=serving)
            await asyncio.sleep(READINESS_PERIOD_S)

    async def _say(self, *, serving: bool) -> None:
        answer = health_pb2.HealthCheckResponse
        status = answer.SERVING if serving else answer.NOT_SERVING
        for name in ("", *self._names):
            await self._health.set(name, status)


async def _asked(ready: Callable[[], Awaitable[bool]]) -> bool:
    try:
        async with asyncio.timeout(READINESS_PERIOD_S):
            return await ready()
    except Exception:  # noqa: BLE001 - whatever stops the answer, the answer is not yes
        return False
