"""The HTTP server as a loop of the service."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

# Answers in flight may take this long after SIGTERM; the process has 10 s in all.
STOP_GRACE_S = 5
# Longer than the idle time of the usual proxies (60 s), so that the proxy closes first and never
# meets a closed one.
KEEP_ALIVE_S = 75
# Connections the kernel holds while the loop is busy.
BACKLOG = 1024


class HttpServer:
    """Serves an application over HTTP/1.1; the port is bound as soon as it is made.

    Args:
        app: What is served.
        address: `host:port`; IPv6 hosts in brackets; port 0 takes a free one.

    Raises:
        OSError: the address is taken or cannot be bound.
    """

    def __init__(self, app: ASGIApp, *, address: str) -> None:
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
        self._server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=STOP_GRACE_S,
            )
        )

    @property
    def port(self) -> int:
        """The bound port."""
        port: int = self._socket.getsockname()[1]
        return port

    async def run(self) -> None:
        """Serve until cancelled; then take no more requests, let those in flight end, and stop."""
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(self._server.serve(sockets=[self._socket]))
            try:
                await asyncio.shield(serving)
            finally:
                self._server.should_exit = True
                await serving


class _Server(uvicorn.Server):
    """Leaves signals to the service, which stops all its loops together."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
