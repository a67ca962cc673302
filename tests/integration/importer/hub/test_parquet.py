"""The reader of Parquet files, without a hub: what it is given, what it takes, how it ends."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow as pa
import pytest

from importer.domain.dataset import DatasetError, RowLimits
from importer.outbound.parquet import reader
from importer.outbound.parquet.blocks import BLOCK_BYTES
from importer.outbound.parquet.reader import ParquetReader, ReaderUnavailable
from importer.ports import RowsOrder
from integration.importer.hub.test_hub_datasets import parquet

MIB = 1024 * 1024


class File:
    """A file in memory that notes what was asked of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked: list[tuple[int, int]] = []

    async def fetch(self, start: int, end: int) -> AsyncIterator[bytes]:
        self.asked.append((start, end))
        yield self.content[start:end]

    async def rows(
        self, count: int = 10_000_000, *, memory_bytes: int = 1_500 * MIB, columns: int = 10_000
    ) -> list[bytes]:
        order = RowsOrder(
            size_bytes=len(self.content),
            row_count=count,
            address="http://hub",
            limits=RowLimits(columns=columns),
        )
        batches = ParquetReader(memory_bytes=memory_bytes).rows(order, self.fetch)
        return [row async for _, rows in batches for row in rows]


async def test_each_block_is_fetched_once_and_only_where_rows_are_wanted() -> None:
    texts = [f"{n:06}" + "x" * 2_000 for n in range(20_000)]
    plain = {"compression": "none", "use_dictionary": False}
    file = File(parquet({"text": texts}, row_group_size=1_000, **plain))
    blocks = -(-len(file.content) // BLOCK_BYTES)
    assert blocks >= 4

    assert len(await file.rows(100)) == 100
    few = list(file.asked)
    file.asked.clear()
    assert len(await file.rows()) == 20_000

    assert len(few) == 2
    assert len(file.asked) == len(set(file.asked)) <= blocks
    assert all(end - start <= BLOCK_BYTES for start, end in file.asked)


async def test_a_file_that_unfolds_beyond_all_measure_ends_at_the_memory_limit() -> None:
    texts = pa.DictionaryArray.from_arrays(
        pa.array([0] * 2_000_000, pa.int32()), pa.array(["x" * 3_000_000])
    )
    bomb = File(parquet({"a": texts}))
    assert len(bomb.content) < MIB

    with pytest.raises(DatasetError, match="needs more than 512 MiB of memory"):
        await bomb.rows(memory_bytes=512 * MIB)


async def test_a_reader_that_dies_ends_the_file_and_one_that_does_not_start_is_our_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Deadly(File):
        async def fetch(self, start: int, end: int) -> AsyncIterator[bytes]:
            for worker in workers():
                os.kill(worker, signal.SIGSEGV)
            yield self.content[start:end]

    content = parquet({"n": [1]})

    with pytest.raises(DatasetError, match="its reader broke down"):
        await Deadly(content).rows()
    monkeypatch.setattr(reader, "_COMMAND", (sys.executable, "-c", "raise SystemExit(1)"))
    with pytest.raises(ReaderUnavailable, match="does not start"):
        await File(content).rows()


async def test_too_many_columns_are_refused() -> None:
    with pytest.raises(DatasetError, match="has 30 columns; 20 are allowed"):
        await File(parquet({f"c{n}": [n] for n in range(30)})).rows(columns=20)


def workers() -> list[int]:
    """Readers that this process started."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [pid for path in children for pid in path.read_text().split()]
    return [
        int(pid) for pid in pids if b"parquet.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
