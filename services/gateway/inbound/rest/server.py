"""The HTTP server as a loop of the service."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.inbound.rest.problems import problem_without_request

# Answers in flight may take this long after SIGTERM; the process has 10 s in all.
STOP_GRACE_S = 5
# Longer than the idle time of the usual proxies (60 s), so that the proxy closes first and never
# meets a closed one.
KEEP_ALIVE_S = 75
# Connections the kernel holds while the loop is busy.
BACKLOG = 1024
# Usual clients send a few KiB; the parser itself would keep any number of bytes in memory.
HEAD_BYTES_MAX = 64 * 1024
# A head is one packet or two; who needs longer than this holds a connection for nothing.
HEAD_S = 15.0
# With more connections than this, requests are answered with 503.
CONNECTIONS_SERVED_MAX = 800
# With more than this, new ones are closed at once: the usual limit of open files is 1,024, and
# beyond it the stores behind us could not be reached either.
CONNECTIONS_MAX = 900

_HEAD_TOO_LARGE = problem_without_request(
    431,
    reason="HEAD_TOO_LARGE",
    message=f"the request's head may have at most {HEAD_BYTES_MAX} bytes",
)
_NOT_HTTP = problem_without_request(
    400, reason="INVALID_HTTP", message="the request is not valid HTTP/1.1"
)


class HttpServer:
    """Serves an application over HTTP/1.1; the port is bound as soon as it is made.

    Args:
        app: What is served.
        address: `host:port`; IPv6 hosts in brackets; port 0 takes a free one.
        head_s: How long a request's head may take to arrive.

    Raises:
        OSError: the address is taken or cannot be bound.
    """

    def __init__(self, app: ASGIApp, *, address: str, head_s: float = HEAD_S) -> None:
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
        self._server = _Server(
            _Config(
                app,
                head_s=head_s,
                http=_Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=CONNECTIONS_SERVED_MAX,
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


class _Config(uvicorn.Config):
    """Uvicorn's settings and ours; connections get nothing else."""

    def __init__(self, app: ASGIApp, *, head_s: float, **settings: Any) -> None:
        super().__init__(app, **settings)
        self.head_s = head_s


class _Connection(HttpToolsProtocol):
    """A connection that is closed when a head is too long or too late.

    Counted are the bytes since the parser last came forward, which is at the end of a head, at a
    piece of a body and at the end of a message: that bounds trailers and chunk extensions, too.
    Where several requests come in one packet, the count may begin up to a head's length late.
    """

    config: _Config

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._idle_bytes = 0
        self._is_in_body = False
        self._patience: asyncio.TimerHandle | None = None
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
        else:
            self._patience = self.loop.call_later(self.config.head_s, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        start = 0
        while start < len(data) and not self.transport.is_closing():
            piece = data[start : start + HEAD_BYTES_MAX - self._idle_bytes]
            start += len(piece)
            self._idle_bytes += len(piece)
            super().data_received(piece)
            if self._idle_bytes >= HEAD_BYTES_MAX:
                self._refuse()
        self._watch()

    def on_headers_complete(self) -> None:
        self._idle_bytes = 0
        self._is_in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._idle_bytes = 0
        self._is_in_body = False
        super().on_message_complete()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self) -> None:
        # While an answer is on its way another one would end up in its middle.
        if not self._is_answering() and not self.transport.is_closing():
            phrase = "431 Request Header Fields Too Large"
            self.transport.write(_last_answer(phrase, _HEAD_TOO_LARGE))
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        del msg  # uvicorn's own words
        self.transport.write(_last_answer("400 Bad Request", _NOT_HTTP))
        self.transport.close()

    def _watch(self) -> None:
        # Any byte ends uvicorn's own waiting for the next request, so from here on it is ours.
        if self._is_answering() or self.transport.is_closing():
            self._stop_waiting()
        elif self._patience is None:
            # A body that is still coming after its answer is read and thrown away for a while,
            # because clients look at answers only after they sent everything.
            limit_s = KEEP_ALIVE_S if self._is_in_body else self.config.head_s
            self._patience = self.loop.call_later(limit_s, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _last_answer(status: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
