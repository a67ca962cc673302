import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.inbound.rest.requests import RequestFrame
from gateway.inbound.rest.server import HEAD_BYTES_MAX, HttpServer
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


@asynccontextmanager
async def connected(
    app: Any = hello, **limits: float
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A plain connection to a server of its own."""
    server = HttpServer(app, address="127.0.0.1:0", **limits)
    async with asyncio.timeout(20), running(server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def answer_to_all(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes
) -> bytes:
    """What comes back until the server closes; empty when it did not even take everything."""
    writer.write(sent)
    try:
        return await reader.read()
    except ConnectionError:
        return b""


START = b"GET / HTTP/1.1\r\nHost: t\r\n"


@pytest.mark.parametrize(
    "head",
    [
        START + b"X: " + b"x" * HEAD_BYTES_MAX,
        START + b"a: b\r\n" * (HEAD_BYTES_MAX // 6),
        START + b"x" * HEAD_BYTES_MAX,
        b"GET /" + b"x" * HEAD_BYTES_MAX,
        b"\r\n" * (HEAD_BYTES_MAX // 2),
        START + b"X: " + b"x" * (HEAD_BYTES_MAX - len(START) - 6) + b"\r\n\r\n",
    ],
    ids=["value", "many", "name", "url", "empty_lines", "one_byte_more"],
)
async def test_a_head_that_is_too_long_is_431_and_the_end(head: bytes) -> None:
    async with connected() as (reader, writer):
        # Not a byte more: what nobody read would make the kernel throw the answer away.
        answer = await answer_to_all(reader, writer, head[:HEAD_BYTES_MAX])

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"connection: close" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["reason"] == "head_too_large"


async def test_what_is_not_http_is_refused_with_a_problem() -> None:
    async with connected() as (reader, writer):
        answer = await answer_to_all(reader, writer, b"hello there\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert (error["code"], error["reason"]) == (400, "invalid_http")


async def test_a_head_of_almost_the_largest_size_is_taken() -> None:
    head = START + b"Connection: close\r\nX: " + b"x" * (HEAD_BYTES_MAX - 100) + b"\r\n\r\n"

    async with connected() as (reader, writer):
        assert (await answer_to_all(reader, writer, head)).endswith(b"hello\r\n0\r\n\r\n")


@pytest.mark.parametrize("endless", [b"x" * 2**16, b"a: b\r\n" * 2**13])
async def test_a_head_without_end_is_cut_off_and_not_kept(endless: bytes) -> None:
    taken_bytes = 0
    async with connected() as (_, writer):
        writer.write(START + b"X: ")
        with pytest.raises(ConnectionError):
            while taken_bytes < 150 * 2**20:
                writer.write(endless)
                await writer.drain()
                taken_bytes += len(endless)

    # Nearly all of it is in the kernel's buffers at both ends.
    assert taken_bytes < 20 * 2**20


async def test_trailers_without_end_are_cut_off() -> None:
    ended = asyncio.Event()

    async def reads(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.set()

    start = b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: "
    async with connected(reads) as (reader, writer):
        assert await answer_to_all(reader, writer, start + b"x" * 2 * HEAD_BYTES_MAX) == b""
        await ended.wait()


@pytest.mark.parametrize("sent", [b"", b"GET", START, START + b"X: x"])
async def test_a_head_that_does_not_end_in_time_is_closed(sent: bytes) -> None:
    async with connected(head_s=0.2) as (reader, writer):
        assert await answer_to_all(reader, writer, sent) == b""


@pytest.mark.parametrize("sent", [b"\r\n", b"GET", START])
async def test_a_second_head_on_the_connection_has_to_end_in_time_too(sent: bytes) -> None:
    async with connected(head_s=0.2) as (reader, writer):
        writer.write(START + b"\r\n")
        await reader.readuntil(b"\r\n0\r\n\r\n")

        assert await answer_to_all(reader, writer, sent) == b""


async def test_a_body_that_goes_on_after_its_answer_is_not_read_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.inbound.rest.server.KEEP_ALIVE_S", 0.2)

    async with connected() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n")
        await reader.readuntil(b"\r\n0\r\n\r\n")

        assert await answer_to_all(reader, writer, b"x") == b""


async def test_an_answer_may_take_longer_than_a_head() -> None:
    closed = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await closed.wait()
        await hello(scope, receive, send)

    server = HttpServer(slow, address="127.0.0.1:0", head_s=0.2)
    async with asyncio.timeout(20), running(server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(START + b"\r\n")
        assert await idle.read() == b""
        closed.set()

        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")
        writer.close()
        idle_writer.close()


async def test_one_connection_serves_many_requests() -> None:
    server = HttpServer(hello, address="127.0.0.1:0")

    async with running(server), httpx.AsyncClient() as client:
        answers = [await client.get(f"http://127.0.0.1:{server.port}/") for _ in range(50)]
        streams = {id(answer.extensions["network_stream"]) for answer in answers}

    assert {answer.text for answer in answers} == {"hello"}
    assert len(streams) == 1


async def test_requests_that_come_together_are_answered_one_after_the_other() -> None:
    last = START + b"Connection: close\r\n\r\n"

    async with connected() as (reader, writer):
        answer = await answer_to_all(reader, writer, (START + b"\r\n") * 9 + last)

    assert answer.count(b"hello") == 10


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_may_be_longer_than_a_head(house: House, *, chunked: bool) -> None:
    key = await house.key()
    content = bytes(index % 251 for index in range(2_500_000))
    server = HttpServer(house.app, address="127.0.0.1:0")
    form = httpx.Request(
        "POST", "http://t", data={"purpose": "evals"}, files={"file": ("a.txt", content)}
    )
    body = form.read()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    async with running(server), httpx.AsyncClient() as client:
        answer = await client.post(
            f"http://127.0.0.1:{server.port}/api/v1/llm/files",
            content=pieces() if chunked else body,
            headers={
                "authorization": f"Bearer {key}",
                "content-type": form.headers["content-type"],
            },
        )

    assert answer.status_code == 200, answer.text
    assert house.files.stored == [content]


async def test_more_connections_than_are_served_get_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.inbound.rest.server.CONNECTIONS_SERVED_MAX", 2)
    async with connected() as (_, writer):
        port = writer.get_extra_info("peername")[1]
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 503


async def test_connections_beyond_the_last_are_closed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.inbound.rest.server.CONNECTIONS_MAX", 1)
    async with connected() as (reader, writer):
        writer.write(START + b"\r\n")
        await reader.readuntil(b"hello")
        more, more_writer = await asyncio.open_connection(*writer.get_extra_info("peername"))

        assert await answer_to_all(more, more_writer, START + b"\r\n") == b""
        more_writer.close()
