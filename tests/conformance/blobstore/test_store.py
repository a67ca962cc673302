"""What every kind of store behind BlobStore does: a folder on disk, and objects in memory."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blobstore.store import BlobLineTooLong, BlobNotFound, BlobStore, BlobTooLarge

NOBODY = "0" * 64
MIB = 1024 * 1024


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return BlobStore.open(f"file://{tmp_path}/blobs" if request.param == "folder" else "memory:///")


async def sent(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def put(store: BlobStore, *chunks: bytes) -> str:
    return (await store.put_stream(sent(*chunks), max_bytes=100 * MIB)).sha256


async def read(store: BlobStore, sha256: str, *, offset: int = 0) -> bytes:
    return b"".join([chunk async for chunk in store.get_stream(sha256, offset=offset)])


async def test_a_blob_is_named_by_its_bytes_and_comes_back_whole(store: BlobStore) -> None:
    blob = await store.put_stream(sent(b"he", b"llo"), max_bytes=5)

    assert blob.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert blob.size_bytes == await store.size(blob.sha256) == 5
    assert await read(store, blob.sha256) == b"hello"


async def test_a_large_blob_comes_back_in_chunks(store: BlobStore) -> None:
    piece = bytes(range(256)) * 4096  # 1 MiB
    sha256 = await put(store, *[piece] * 12)

    chunks = [chunk async for chunk in store.get_stream(sha256)]

    assert b"".join(chunks) == piece * 12


async def test_an_empty_blob_is_a_blob(store: BlobStore) -> None:
    sha256 = await put(store)

    assert await store.size(sha256) == 0
    assert await read(store, sha256) == b""
    assert [lines async for lines in store.read_lines(sha256)] == []


@pytest.mark.parametrize(("offset", "rest"), [(0, b"hello"), (2, b"llo"), (5, b""), (9, b"")])
async def test_reading_may_begin_anywhere(store: BlobStore, offset: int, rest: bytes) -> None:
    assert await read(store, await put(store, b"hello"), offset=offset) == rest


async def test_the_same_bytes_twice_are_one_blob(store: BlobStore) -> None:
    assert await put(store, b"same") == await put(store, b"sa", b"me")


async def test_a_blob_may_be_replaced_while_it_is_read(store: BlobStore) -> None:
    sha256 = await put(store, b"x" * (3 * MIB))
    reading = store.get_stream(sha256)
    first = await anext(reading)

    await put(store, b"x" * (3 * MIB))

    assert len(first) + sum([len(chunk) async for chunk in reading]) == 3 * MIB


async def test_a_stream_that_is_too_long_is_refused(store: BlobStore) -> None:
    with pytest.raises(BlobTooLarge):
        await store.put_stream(sent(b"123", b"456"), max_bytes=5)

    assert not await store.exists(hashlib.sha256(b"123456").hexdigest())


async def test_a_deleted_blob_is_gone_and_may_be_deleted_again(store: BlobStore) -> None:
    sha256 = await put(store, b"x")

    await store.delete(sha256)
    await store.delete(sha256)

    assert not await store.exists(sha256)
    with pytest.raises(BlobNotFound):
        await read(store, sha256)


@pytest.mark.parametrize("name", [NOBODY, "", "../../etc/passwd", NOBODY.upper() + "A", "x" * 64])
async def test_what_is_no_blob_is_not_found(store: BlobStore, name: str) -> None:
    assert not await store.exists(name)
    with pytest.raises(BlobNotFound):
        await store.size(name)
    with pytest.raises(BlobNotFound):
        await read(store, name)


async def test_lines_come_whole_and_in_order(store: BlobStore) -> None:
    lines = [f"{number}:".encode() + b"x" * (number % 300) for number in range(40_000)]
    sha256 = await put(store, b"\n".join(lines) + b"\n")

    batches = [batch async for batch in store.read_lines(sha256)]

    assert [line for batch in batches for line in batch] == lines


async def test_empty_lines_and_a_missing_last_newline_are_kept_apart(store: BlobStore) -> None:
    sha256 = await put(store, b"a\n\nb")

    assert [line async for batch in store.read_lines(sha256) for line in batch] == [b"a", b"", b"b"]


async def test_a_line_that_memory_should_not_hold_is_refused(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blobstore.store.LINE_BYTES_MAX", 2 * MIB)
    sha256 = await put(store, b"x" * (4 * MIB))

    with pytest.raises(BlobLineTooLong):
        _ = [lines async for lines in store.read_lines(sha256)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(chunks=st.lists(st.binary(max_size=50), max_size=10))
async def test_any_bytes_cut_anywhere_come_back(store: BlobStore, chunks: list[bytes]) -> None:
    sha256 = await put(store, *chunks)

    whole = b"".join(chunks)
    assert await read(store, sha256) == whole
    lines = [line async for batch in store.read_lines(sha256) for line in batch]
    assert lines == (whole.removesuffix(b"\n").split(b"\n") if whole else [])
