"""A provider on loopback that misbehaves as it is told, one behaviour a request."""

import asyncio
import gzip
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    connection: int


@dataclass
class HostileUpstream:
    """Plays its behaviours in order, then the last one for ever.

    Attributes:
        behaviours: What to do next.
        received: The requests so far.
        arrived: One entry a request, for tests that wait for it.
        in_flight_max: Most requests that were open at a time.
    """

    base_url: str = ""
    behaviours: deque[Behaviour] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)
    arrived: asyncio.Queue[Received] = field(default_factory=asyncio.Queue)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    given_up: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    in_flight: int = 0
    in_flight_max: int = 0

    def will(self, *behaviours: Behaviour) -> None:
        self.behaviours = deque(behaviours)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        received = Received(
            request.path,
            dict(request.headers),
            orjson.loads(content) if content else {},
            id(request.transport),
        )
        self.received.append(received)
        self.arrived.put_nowait(received)
        behaviour = self.behaviours.popleft() if len(self.behaviours) > 1 else self.behaviours[0]
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            return await behaviour(request)
        finally:
            self.in_flight -= 1

    def hangs(self) -> Behaviour:
        """Answer only when the test sets `released`; a caller that gives up is noted."""

        async def behave(_request: web.Request) -> web.StreamResponse:
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                self.given_up.put_nowait(None)
                raise
            return web.json_response(response_object("late"))

        return behave

    def trickles(self) -> Behaviour:
        """Begin an answer and never end it."""

        async def behave(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b'{"output')
            await self.released.wait()
            return response

        return behave


def response_object(text: str, **fields: object) -> dict[str, object]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    message = {"type": "message", "role": "assistant", "status": "completed", "content": content}
    usage = {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "output": [message],
        "usage": usage,
        **fields,
    }


def says(content: object, *, status: int = 200, **headers: str) -> Behaviour:
    async def behave(_request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(content, status=status, headers=named)

    return behave


def answers(text: str, **fields: object) -> Behaviour:
    return says(response_object(text, **fields))


def sends(
    body: bytes, *, status: int = 200, chunked: bool = False, zipped: bool = False
) -> Behaviour:
    async def behave(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Encoding": "gzip"} if zipped else {}
        if not chunked:
            content = gzip.compress(body) if zipped else body
            return web.Response(body=content, status=status, headers=headers)
        response = web.StreamResponse(status=status)
        response.enable_chunked_encoding()
        await response.prepare(request)
        for start in range(0, len(body), 65536):
            await response.write(body[start : start + 65536])
        return response

    return behave


async def drops(request: web.Request) -> web.StreamResponse:
    """Break the connection before any answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def breaks_off(request: web.Request) -> web.StreamResponse:
    """Break the connection in the middle of the body."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"output')
    assert request.transport is not None
    request.transport.abort()
    return response


async def echoes(request: web.Request) -> web.StreamResponse:
    """Answer with everything that was sent, the key too."""
    heard = request.headers["Authorization"]
    return web.json_response(response_object(heard, id=heard, error=heard, metadata={heard: heard}))


def echoes_as_error(status: int) -> Behaviour:
    async def behave(request: web.Request) -> web.StreamResponse:
        heard = request.headers["Authorization"]
        return web.json_response({"error": {"message": heard}, "headers": heard}, status=status)

    return behave


@asynccontextmanager
async def serving(upstream: HostileUpstream) -> AsyncIterator[HostileUpstream]:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", upstream.handle)
    # A handler whose caller went away is cancelled, so that tests can see it go.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        upstream.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield upstream
    finally:
        upstream.released.set()
        await runner.cleanup()
