"""The reader of Parquet files, without a hub: what it is given, what it takes, how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from subprocess import PIPE

import pyarrow as pa
import pytest

from importer.domain.dataset import DatasetError, RowLimits
from importer.outbound.parquet import reader
from importer.outbound.parquet.blocks import BLOCK_BYTES
from importer.outbound.parquet.frames import HEADER, Order
from importer.outbound.parquet.reader import ParquetReader, ReaderUnavailable
from importer.ports import RowsOrder
from integration.importer.hub.test_hub_datasets import parquet

MIB = 1024 * 1024
LOOKING = """
import sys
from pathlib import Path
from servicekit.privileges import drop_privileges

drop_privileges()
try:
    Path(sys.argv[1]).read_bytes()
except PermissionError:
    print("closed", end="")
"""


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


async def test_a_reader_gives_up_what_a_file_that_took_it_over_could_use() -> None:
    told: dict[str, str] = {}

    class Looking(File):
        async def fetch(self, start: int, end: int) -> AsyncIterator[bytes]:
            (worker,) = workers()
            told.update(_described(worker))
            yield self.content[start:end]

    assert len(await Looking(parquet({"n": [1]})).rows()) == 1

    assert (int(told["CapEff"], 16), told["NoNewPrivs"]) == (0, "1")
    assert told["environment"] == "closed"
    assert (told["Max processes"], told["Max open files"]) == ("0", "64")
    assert told["Max core file size"] == "0"


def test_a_reader_keeps_no_descriptor_of_its_parent() -> None:
    mine, others = os.pipe()
    os.set_inheritable(others, True)  # noqa: FBT003 - it takes no keyword
    os.set_blocking(mine, False)
    order = Order(
        size_bytes=100, row_count=1, row_bytes=100, columns=1, address="", memory_bytes=1_500 * MIB
    )

    with subprocess.Popen(
        [*reader._COMMAND, order.text()],
        stdin=PIPE,
        stdout=PIPE,
        close_fds=False,
    ) as worker:
        os.close(others)
        assert worker.stdout is not None
        assert len(worker.stdout.read(HEADER.size)) == HEADER.size  # it wants its first block
        assert os.read(mine, 1) == b""  # nobody holds the other end
        worker.kill()
    os.close(mine)


async def test_too_many_columns_are_refused() -> None:
    with pytest.raises(DatasetError, match="has 30 columns; 20 are allowed"):
        await File(parquet({f"c{n}": [n] for n in range(30)})).rows(columns=20)


def _described(pid: int) -> Iterator[tuple[str, str]]:
    """What the kernel tells of a process, and whether one like it may look at its environment."""
    folder = Path(f"/proc/{pid}")
    for line in (folder / "status").read_text().splitlines():
        name, _, value = line.partition(":\t")
        yield name, value
    for line in (folder / "limits").read_text().splitlines():
        yield line[:25].strip(), line[26:46].strip()
    looking = [sys.executable, "-c", LOOKING, str(folder / "environ")]
    yield "environment", subprocess.run(looking, stdout=PIPE, text=True, check=True).stdout


def workers() -> list[int]:
    """Readers that this process started."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [pid for path in children for pid in path.read_text().split()]
    return [
        int(pid) for pid in pids if b"parquet.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
