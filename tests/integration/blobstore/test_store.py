import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blobstore.store import BlobStore, BlobStoreUnavailable, BlobTooLarge

LARGE = b"x" * 6_000_000  # beyond what one part of an upload holds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def store(folder: Path) -> BlobStore:
    return BlobStore.open(f"file://{folder}")


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_blobs_lie_two_folders_deep(store: BlobStore, folder: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"hello"

    name = (await store.put_stream(chunks(), max_bytes=10)).sha256

    assert files_in(folder) == [folder / name[:2] / name[2:4] / name]


async def test_an_upload_that_fails_leaves_nothing_and_raises_its_own_error(
    store: BlobStore, folder: Path
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield LARGE
        yield LARGE
        raise FileNotFoundError("of the sender")

    with pytest.raises(FileNotFoundError, match="of the sender"):
        await store.put_stream(broken(), max_bytes=10**9)

    assert files_in(folder) == []


async def test_an_upload_that_is_too_large_leaves_nothing(store: BlobStore, folder: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield LARGE

    with pytest.raises(BlobTooLarge):
        await store.put_stream(endless(), max_bytes=20_000_000)

    assert files_in(folder) == []


async def test_a_cancelled_upload_leaves_nothing(store: BlobStore, folder: Path) -> None:
    begun = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield LARGE
        yield LARGE
        begun.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        upload = tasks.create_task(store.put_stream(stalled(), max_bytes=10**9))
        await begun.wait()
        upload.cancel()

    async with asyncio.timeout(20):
        while files_in(folder):
            await asyncio.sleep(0)


async def test_uploads_of_the_same_bytes_at_once_end_in_one_blob(
    store: BlobStore, folder: Path
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield LARGE

    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(store.put_stream(chunks(), max_bytes=10**9))

    assert len(files_in(folder)) == 1


async def test_what_killed_processes_left_is_removed_when_it_is_old(
    store: BlobStore, folder: Path
) -> None:
    uploads = folder / "tmp"
    uploads.mkdir()
    for name, age_s in (("old", 7200), ("old#1", 7200), ("new#1", 60)):
        path = uploads / name
        path.write_bytes(b"half")
        then = path.stat().st_mtime - age_s
        os.utime(path, (then, then))

    assert await store.remove_abandoned(older_than_s=3600) == 2
    assert [path.name for path in files_in(folder)] == ["new#1"]


async def test_a_store_that_cannot_be_written_is_unavailable(folder: Path) -> None:
    store = BlobStore.open(f"file://{folder}")
    (folder / "tmp").write_bytes(b"a file where the folder of uploads belongs")

    async def chunks() -> AsyncIterator[bytes]:
        yield b"hello"

    with pytest.raises(BlobStoreUnavailable):
        await store.put_stream(chunks(), max_bytes=10)


async def test_lines_are_read_in_batches_that_memory_bears(store: BlobStore) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"0123456789abcde\n" * 8192  # 128 KiB

    sha256 = (await store.put_stream(chunks(), max_bytes=10**9)).sha256
    sizes = [16 * len(batch) async for batch in store.read_lines(sha256)]

    assert sum(sizes) == 200 * 128 * 1024
    assert max(sizes) < 4 * 1024 * 1024


async def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "with space & é"

    async def chunks() -> AsyncIterator[bytes]:
        yield b"hello"

    store = BlobStore.open(folder.as_uri())
    await store.put_stream(chunks(), max_bytes=10)

    assert len(files_in(folder)) == 1
