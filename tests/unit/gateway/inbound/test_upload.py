import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.inbound.rest.bodies import BodyTimeout
from gateway.inbound.upload import CHUNK_BYTES, PACE_BYTES_MIN, WAITING_FILES_MAX, paced
from unit.gateway.backend.house import House

HEADERS = {"content-type": "multipart/form-data; boundary=b"}
PURPOSE = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nevals\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
LARGE = FILE + b"x" * CHUNK_BYTES * 2 + b"\r\n"
END = b"--b--\r\n"


async def body_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def post(client: httpx.AsyncClient, body: AsyncIterator[bytes]) -> httpx.Response:
    return await client.post("/files", content=body, headers=HEADERS)


class Held:
    """A form that sends its file, and its purpose only when it is let go."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()
        self.go_on = asyncio.Event()

    async def body(self) -> AsyncIterator[bytes]:
        yield LARGE
        # Asked for more, so what came before is on disk.
        self.waits.set()
        await self.go_on.wait()
        yield PURPOSE + END


async def test_only_some_files_wait_on_disk_for_their_purpose(
    house: House, client: httpx.AsyncClient
) -> None:
    held = [Held() for _ in range(WAITING_FILES_MAX)]
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(post(client, one.body())) for one in held]
        for one in held:
            await one.waits.wait()

        refused = await post(client, body_of(LARGE, PURPOSE, END))
        in_order = await post(client, body_of(PURPOSE, LARGE, END))
        small = await post(client, body_of(FILE + b"x\r\n", PURPOSE, END))
        for one in held:
            one.go_on.set()

    assert refused.status_code == 503
    assert refused.json()["error"]["reason"] == "too_many_files_waiting"
    assert int(refused.headers["retry-after"]) > 0
    assert (in_order.status_code, small.status_code) == (200, 200)
    assert [task.result().status_code for task in waiting] == [200] * WAITING_FILES_MAX
    assert len(house.files.stored) == WAITING_FILES_MAX + 2


@pytest.mark.parametrize("ending", [b"", END, PURPOSE.replace(b"evals", b"party")])
async def test_a_bad_form_gives_its_place_on_disk_back(
    client: httpx.AsyncClient, ending: bytes
) -> None:
    for _ in range(WAITING_FILES_MAX + 1):
        assert (await post(client, body_of(LARGE, ending))).status_code == 400

    assert (await post(client, body_of(LARGE, PURPOSE, END))).status_code == 200


async def test_an_upload_that_stalls_gives_its_place_on_disk_back(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("gateway.inbound.files.UPLOAD_IDLE_S", 0.01)
        for _ in range(WAITING_FILES_MAX + 1):
            assert (await post(client, Held().body())).status_code == 408

    assert (await post(client, body_of(LARGE, PURPOSE, END))).status_code == 200


async def test_an_upload_that_crawls_is_408_and_stores_nothing(
    house: House, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.inbound.upload.PACE_WINDOW_S", 0.0)

    answer = await post(client, body_of(PURPOSE, LARGE, END))

    assert answer.status_code == 408
    assert answer.json()["error"]["reason"] == "body_timeout"
    assert house.files.stored == []


async def test_the_pace_is_taken_over_a_window_and_then_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.inbound.upload.PACE_WINDOW_S", 0.0)
    enough, too_little = b"x" * PACE_BYTES_MIN, b"x" * (PACE_BYTES_MIN - 1)
    chunks = paced(body_of(enough, enough, too_little))

    assert [await anext(chunks), await anext(chunks)] == [enough, enough]
    with pytest.raises(BodyTimeout):
        await anext(chunks)


async def test_small_chunks_in_quick_succession_are_no_crawl() -> None:
    chunks = [b"x"] * 1000

    assert [chunk async for chunk in paced(body_of(*chunks))] == chunks
