import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from gateway.inbound.upload import CHUNK_BYTES, PURPOSES
from servicekit.errors import Kind, ServiceError
from unit.gateway.backend.house import BASE, UPLOAD_BYTES_MAX, House

BOUNDARY = "frontier"
FORM_HEADERS = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
END = f"--{BOUNDARY}--\r\n".encode()


def field(name: str, value: str) -> bytes:
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    )


def file(content: bytes, filename: str | None = "rows.jsonl", name: str = "file") -> bytes:
    ending = f'; filename="{filename}"' if filename is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{ending}\r\n\r\n'
    return head.encode() + content + b"\r\n"


async def upload(client: httpx.AsyncClient, *parts: bytes, end: bytes = END) -> httpx.Response:
    return await client.post("/files", content=b"".join(parts) + end, headers=FORM_HEADERS)


async def stored(client: httpx.AsyncClient, content: bytes, filename: str) -> str:
    answer = await upload(client, field("purpose", "evals"), file(content, filename))
    assert answer.status_code == 200, answer.text
    file_id: str = answer.json()["id"]
    return file_id


async def test_an_uploaded_file_has_every_field_of_the_contract(client: httpx.AsyncClient) -> None:
    answer = await upload(client, field("purpose", "evals"), file(b'{"a":1}\n'))

    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert body.pop("id").startswith("file_")
    assert body == {
        "object": "file",
        "bytes": 8,
        "created_at": 1_790_000_000,
        "filename": "rows.jsonl",
        "purpose": "evals",
        "expires_at": None,
        "status": "processed",
        "sha256": hashlib.sha256(b'{"a":1}\n').hexdigest(),
    }


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2_000_000])
@pytest.mark.parametrize("first", ["purpose", "file"])
async def test_parts_may_come_in_any_order_and_size(
    house: House, client: httpx.AsyncClient, size: int, first: str
) -> None:
    content = bytes(index % 251 for index in range(size))
    parts = [field("purpose", "evals"), file(content)]

    answer = await upload(client, *(parts if first == "purpose" else parts[::-1]))

    assert answer.status_code == 200
    assert house.files.stored == [content]
    assert house.files.largest_chunk <= 1024 * 1024


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_every_purpose_of_the_contract_is_taken(
    client: httpx.AsyncClient, purpose: str
) -> None:
    answer = await upload(client, field("purpose", purpose), file(b""))

    assert answer.json()["purpose"] == purpose


@pytest.mark.parametrize(
    ("parts", "param", "reason"),
    [
        ([file(b"x")], "purpose", "missing_field"),
        ([field("purpose", "evals")], "file", "missing_field"),
        ([], "purpose", "missing_field"),
        ([field("purpose", "party"), file(b"x")], "purpose", "invalid_purpose"),
        ([file(b"x"), field("purpose", "")], "purpose", "invalid_purpose"),
        ([field("purpose", "x" * 1000), file(b"x")], "purpose", "invalid_purpose"),
        ([field("purpose", "evals"), file(b"x", None)], "file", "invalid_filename"),
        ([field("purpose", "evals"), file(b"x", "")], "file", "invalid_filename"),
        ([field("purpose", "evals"), file(b"x", "   ")], "file", "invalid_filename"),
        ([field("purpose", "evals"), file(b"x", "blob")], "file", "invalid_filename"),
        ([field("purpose", "evals"), file(b"x", "folder/")], "file", "invalid_filename"),
        ([field("purpose", "evals"), file(b"x", "a\x07b")], "file", "invalid_filename"),
        ([field("purpose", "evals"), file(b"x", "n" * 256)], "file", "invalid_filename"),
        ([field("purpose", "evals"), file(b"x"), file(b"y")], "file", "invalid_form"),
        ([field("purpose", "evals")] * 2, "purpose", "invalid_form"),
        ([field("purpose", "evals"), field("ttl", "1"), file(b"x")], "ttl", "unknown_field"),
        ([field("purpose", "evals"), file(b"x"), field("ttl", "1")], "ttl", "unknown_field"),
    ],
    ids=lambda value: repr(value)[-40:],
)
async def test_a_bad_form_is_400_names_the_part_and_stores_nothing(
    house: House, client: httpx.AsyncClient, parts: list[bytes], param: str, reason: str
) -> None:
    answer = await upload(client, *parts)

    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["param"], error["reason"]) == (param, reason)
    assert house.files.stored == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("folder/rows.jsonl", "rows.jsonl"),
        ("C:\\\\data\\\\rows.jsonl", "rows.jsonl"),
        ("größe 数.jsonl", "größe 数.jsonl"),
        ("Blob", "Blob"),
        ("n" * 255, "n" * 255),
        (" rows.jsonl ", "rows.jsonl"),
    ],
)
async def test_a_filename_is_kept_without_its_folder(
    client: httpx.AsyncClient, sent: str, kept: str
) -> None:
    answer = await upload(client, field("purpose", "evals"), file(b"x", sent))

    assert answer.json()["filename"] == kept


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json"},
        {"content-type": "multipart/form-data"},
        {"content-type": ""},
    ],
)
async def test_what_is_no_form_is_400(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.post("/files", content=b"x", headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["reason"] == "content_type"


@pytest.mark.parametrize("first", ["purpose", "file"])
async def test_a_form_that_is_cut_off_stores_nothing(
    house: House, client: httpx.AsyncClient, first: str
) -> None:
    parts = [field("purpose", "evals"), file(b"x" * CHUNK_BYTES * 2)]

    answer = await upload(client, *(parts if first == "purpose" else parts[::-1]), end=b"")

    assert answer.status_code == 400
    assert answer.json()["error"]["reason"] == "incomplete_form"
    assert house.files.stored == []


@pytest.mark.parametrize("first", ["purpose", "file"])
async def test_a_file_of_the_largest_size_is_taken(
    house: House, client: httpx.AsyncClient, first: str
) -> None:
    parts = [field("purpose", "evals"), file(b"x" * UPLOAD_BYTES_MAX)]

    answer = await upload(client, *(parts if first == "purpose" else parts[::-1]))

    assert answer.status_code == 200


@pytest.mark.parametrize("first", ["purpose", "file"])
async def test_one_byte_more_is_413_and_stores_nothing(
    house: House, client: httpx.AsyncClient, first: str
) -> None:
    parts = [field("purpose", "evals"), file(b"x" * (UPLOAD_BYTES_MAX + 1))]

    answer = await upload(client, *(parts if first == "purpose" else parts[::-1]))

    assert answer.status_code == 413
    assert answer.json()["error"]["reason"] == "file_too_large"
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert house.files.stored == []


async def test_a_length_that_is_announced_too_large_is_413_before_anything_is_read(
    house: House, client: httpx.AsyncClient
) -> None:
    answer = await client.post(
        "/files", content=b"", headers={**FORM_HEADERS, "content-length": str(2**40)}
    )

    assert answer.status_code == 413


async def test_an_epilogue_without_end_is_413(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield field("purpose", "evals") + file(b"x") + END
        for _ in range(100):
            yield b"y" * 65536

    answer = await client.post("/files", content=endless(), headers=FORM_HEADERS)

    assert answer.status_code == 413


async def test_an_upload_that_stalls_is_408_and_stores_nothing(
    house: House, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.inbound.files.UPLOAD_IDLE_S", 0.01)

    async def stuck() -> AsyncIterator[bytes]:
        yield field("purpose", "evals") + file(b"x" * CHUNK_BYTES * 2)
        await asyncio.Event().wait()

    answer = await client.post("/files", content=stuck(), headers=FORM_HEADERS)

    assert answer.status_code == 408
    assert house.files.stored == []


async def test_the_services_refusal_of_an_upload_comes_through(
    house: House, client: httpx.AsyncClient
) -> None:
    refusal = ServiceError("the disk is full")
    refusal.kind, refusal.reason = Kind.UNAVAILABLE, "STORE_FULL"
    house.files.trouble = refusal

    answer = await upload(client, field("purpose", "evals"), file(b"x" * 2_000_000))

    assert answer.status_code == 503
    assert answer.json()["error"]["reason"] == "store_full"


Receive = Callable[[], Awaitable[dict[str, Any]]]


async def upload_over(house: House, receive: Receive) -> int:
    """Upload over a connection of which the test plays the client; the status of the answer."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": f"{BASE}/files",
        "raw_path": f"{BASE}/files".encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"authorization", f"Bearer {await house.key()}".encode()),
            (b"content-type", FORM_HEADERS["content-type"].encode()),
        ],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("t", 80),
        "client": ("c", 1),
    }
    async with asyncio.timeout(5):
        await house.app(scope, receive, send)
        await house.files.upload_ended.wait()
    status: int = sent[0]["status"]
    return status


async def test_a_client_that_hangs_up_in_the_middle_leaves_nothing_behind(house: House) -> None:
    half = field("purpose", "evals") + file(b"x" * CHUNK_BYTES * 2)
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": half, "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    assert await upload_over(house, receive) == 499
    assert house.files.stored == []


async def test_a_client_that_hangs_up_before_the_answer_leaves_nothing_behind(
    house: House,
) -> None:
    house.files.hold = asyncio.Event()
    whole = field("purpose", "evals") + file(b"x") + END
    messages = [{"type": "http.request", "body": whole, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await house.files.held.wait()
        return {"type": "http.disconnect"}

    assert await upload_over(house, receive) == 499
    assert house.files.stored == []


async def test_files_are_listed_by_purpose_order_and_content(client: httpx.AsyncClient) -> None:
    one = await stored(client, b"1", "a.txt")
    two = await stored(client, b"2", "b.txt")

    async def listed(**query: Any) -> list[str]:
        page = (await client.get("/files", params=query)).json()
        return [entry["id"] for entry in page["data"]]

    assert await listed() == [two, one]
    assert await listed(order="asc") == [one, two]
    assert await listed(purpose="evals") == [two, one]
    assert await listed(purpose="vision") == []
    assert await listed(sha256=hashlib.sha256(b"1").hexdigest()) == [one]
    assert await listed(limit=1) == [two]
    assert await listed(limit=1, after=two) == [one]
    assert await listed(limit=10_000) == [two, one]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 10_001}, "limit"),
        ({"order": "up"}, "order"),
        ({"purpose": "party"}, "purpose"),
    ],
)
async def test_a_bad_filter_is_400_and_named(
    client: httpx.AsyncClient, query: dict[str, Any], param: str
) -> None:
    answer = await client.get("/files", params=query)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


async def test_a_record_can_be_read_and_deleted(house: House, client: httpx.AsyncClient) -> None:
    file_id = await stored(client, b"1", "a.txt")

    got = await client.get(f"/files/{file_id}")
    deleted = await client.delete(f"/files/{file_id}")
    again = await client.delete(f"/files/{file_id}")

    assert got.json()["id"] == file_id
    assert deleted.json() == {"id": file_id, "object": "file", "deleted": True}
    assert again.status_code == 404
    assert house.files.stored == []


@pytest.mark.parametrize("size", [0, 1, 65536, 1_000_000])
async def test_a_download_gives_back_the_same_bytes(client: httpx.AsyncClient, size: int) -> None:
    content = bytes(index % 251 for index in range(size))
    file_id = await stored(client, content, "a.bin")

    answer = await client.get(f"/files/{file_id}/content")

    assert answer.content == content
    assert answer.headers["content-length"] == str(size)


@pytest.mark.parametrize(
    ("filename", "media_type"),
    [
        ("a.jsonl", "application/jsonl"),
        ("a.NDJSON", "application/jsonl"),
        ("a.json", "application/json"),
        ("a.csv", "text/csv"),
        ("a.py", "text/x-python"),
        ("a.md", "text/markdown"),
        ("a.txt", "text/plain"),
        ("a.parquet", "text/plain"),
        ("a.html", "text/plain"),
        ("nothing", "text/plain"),
        (".json", "text/plain"),
    ],
)
async def test_the_media_type_follows_from_the_name(
    client: httpx.AsyncClient, filename: str, media_type: str
) -> None:
    file_id = await stored(client, b"x", filename)

    answer = await client.get(f"/files/{file_id}/content", headers={"accept": "image/png;q=0.1"})

    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_download_names_its_file_also_beyond_ascii(client: httpx.AsyncClient) -> None:
    file_id = await stored(client, b"x", "größe 1.csv")

    answer = await client.get(f"/files/{file_id}/content")

    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"gr__e 1.csv\"; filename*=UTF-8''gr%C3%B6%C3%9Fe%201.csv"
    )


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/content"), ("DELETE", "")])
async def test_an_unknown_file_is_404_in_the_shape_of_the_client(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await client.request(method, f"/files/file_x{path}")

    error = answer.json()["error"]
    assert answer.status_code == 404
    assert (error["code"], error["type"]) == (404, "not_found_error")
    assert error["reason"] == "file_not_found"


async def test_another_teams_file_is_404(house: House, client: httpx.AsyncClient) -> None:
    file_id = await stored(client, b"x", "a.txt")

    async with house.client(team="team_b") as stranger:
        answers = [
            await stranger.get(f"/files/{file_id}"),
            await stranger.get(f"/files/{file_id}/content"),
            await stranger.delete(f"/files/{file_id}"),
        ]
        listed = (await stranger.get("/files")).json()["data"]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert listed == []
