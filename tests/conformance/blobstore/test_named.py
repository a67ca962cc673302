from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blobstore.named import NamedObjects, ObjectNotFound


@pytest.fixture
def objects(tmp_path: Path) -> NamedObjects:
    return NamedObjects.open(f"file://{tmp_path}", folder="runs")


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_an_object_is_read_as_it_was_written(objects: NamedObjects) -> None:
    await objects.put("run/1", b"bytes")

    assert await objects.get("run/1") == b"bytes"


async def test_a_stream_is_stored_whole_and_read_by_lines(objects: NamedObjects) -> None:
    await objects.put("run/texts", pieces(b"one\ntw", b"o\n", b"three"))

    lines = [line async for batch in objects.read_lines("run/texts") for line in batch]

    assert lines == [b"one", b"two", b"three"]


async def test_what_is_not_there_is_said_to_be_missing(objects: NamedObjects) -> None:
    with pytest.raises(ObjectNotFound):
        await objects.get("run/1")


async def test_deleting_below_a_name_leaves_its_neighbours(objects: NamedObjects) -> None:
    for name in ("run/1", "run/a/2", "runner/1"):
        await objects.put(name, b"")

    assert await objects.delete_below("run") == 2
    assert await objects.get("runner/1") == b""
    assert await objects.delete_below("run") == 0
