import asyncio
import socket
from typing import Any

import httpx
import pytest

from gateway.inbound.rest.requests import RequestFrame
from gateway.inbound.rest.server import HttpServer
from unit.gateway.backend.house import House, running


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def get(server: HttpServer) -> httpx.Response:
    """Serve for one request."""
    async with running(server), httpx.AsyncClient() as client:
        return await client.get(f"http://127.0.0.1:{server.port}/")


async def test_the_port_is_known_before_it_serves() -> None:
    server = HttpServer(hello, address="127.0.0.1:0")

    assert server.port > 0
    assert (await get(server)).text == "hello"


async def test_an_address_that_is_taken_stops_the_start() -> None:
    server = HttpServer(hello, address="127.0.0.1:0")

    with pytest.raises(OSError, match="in use"):
        HttpServer(hello, address=f"127.0.0.1:{server.port}")
    await get(server)


async def test_a_request_in_flight_is_answered_before_the_server_stops() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await go_on.wait()
        await hello(scope, receive, send)

    server = HttpServer(slow, address="127.0.0.1:0")
    async with asyncio.TaskGroup() as tasks, httpx.AsyncClient() as client:
        serving = tasks.create_task(server.run())
        asking = tasks.create_task(client.get(f"http://127.0.0.1:{server.port}/"))
        await begun.wait()

        serving.cancel()
        go_on.set()

        assert (await asking).text == "hello"


async def test_a_request_that_does_not_end_is_cut_off_when_the_grace_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.inbound.rest.server.STOP_GRACE_S", 0)
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def hangs(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    server = HttpServer(hangs, address="127.0.0.1:0")
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.run())
        asking = tasks.create_task(_failure_of(server.port))
        await begun.wait()

        serving.cancel()
        await cancelled.wait()

        assert await asking


async def _failure_of(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/")).status_code >= 500
        except httpx.TransportError:
            return True


async def test_after_it_stopped_nothing_listens() -> None:
    server = HttpServer(hello, address="127.0.0.1:0")
    port = server.port

    await get(server)

    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_a_download_that_breaks_off_is_not_taken_for_a_whole_file() -> None:
    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("the other half is gone")

    server = HttpServer(RequestFrame(breaks), address="127.0.0.1:0")
    async with running(server), httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"http://127.0.0.1:{server.port}/")


async def test_a_connection_that_breaks_off_in_an_upload_leaves_nothing(house: House) -> None:
    key = await house.key()
    form = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nevals\r\n' + (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 10**6
    )
    server = HttpServer(house.app, address="127.0.0.1:0")

    async with running(server):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"POST /api/v1/llm/files HTTP/1.1\r\nHost: t\r\nContent-Length: 2000000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n"
            + f"Authorization: Bearer {key}\r\n\r\n".encode()
            + form
        )
        await writer.drain()
        async with asyncio.timeout(5):
            await house.files.upload_begun.wait()
        writer.close()
        async with asyncio.timeout(5):
            await house.files.upload_ended.wait()

    assert house.files.stored == []
