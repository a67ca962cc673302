"""What is kept of a file while it is read."""

import gzip
import hashlib

import pytest

from importer.domain.harness.spooling import NotReadable, TooLarge, Unpacker


def unpacked(path: str, content: bytes, *, bytes_max: int = 1_000_000, step: int = 100) -> bytes:
    unpacker = Unpacker(path, bytes_max=bytes_max)
    parts = [
        part
        for start in range(0, len(content), step)
        for part in unpacker.feed(content[start : start + step])
    ]
    unpacker.end()
    assert unpacker.sha256 == hashlib.sha256(content).hexdigest()
    return b"".join(parts)


def test_a_compressed_file_is_unpacked_also_when_it_is_several_in_a_row() -> None:
    content = gzip.compress(b"one\n" * 500) + gzip.compress(b"two\n")

    assert unpacked("a.jsonl.gz", content) == b"one\n" * 500 + b"two\n"
    assert unpacked("a.jsonl", content) == content


def test_a_bomb_ends_as_too_large_before_it_is_unpacked() -> None:
    with pytest.raises(TooLarge):
        unpacked("a.jsonl.gz", gzip.compress(bytes(50_000_000)))
    with pytest.raises(TooLarge):
        unpacked("a.jsonl", bytes(1_000_001))


@pytest.mark.parametrize("content", [b"PK\x03\x04", gzip.compress(b"x" * 5000)[:-9]])
def test_what_is_broken_cannot_be_read(content: bytes) -> None:
    with pytest.raises(NotReadable):
        unpacked("a.jsonl.gz", content)
