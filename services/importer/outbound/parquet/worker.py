"""The worker: reads a Parquet file that it gets in pieces, and writes its rows as JSON.

Started by `reader.ParquetReader`. A file from outside meets a large decoder here, so this process
has no secrets, no way to those of other processes, limits of memory, time and files, and its end
harms nobody.
"""

import os
import resource
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pyarrow as pa

from importer.domain.hub_datasets.values import Origin, json_row
from importer.domain.json_row import RowInvalid, write_row
from importer.outbound.parquet.blocks import BlockFile, PipeClosed, ScratchFailed
from importer.outbound.parquet.frames import HEADER, Kind, Order
from importer.outbound.parquet.tables import FileInvalid, numbered_batches
from servicekit.privileges import drop_privileges, hide_memory

FRAME_BYTES = 512 * 1024
CPU_S_MAX = 900
_FILES_MAX = 64  # two pipes, a temporary file, and what modules are read from


class RowTooLong(ValueError):
    """A row is longer than any may be."""


def main() -> None:
    """Read one file; the order is the only argument."""
    order = Order.read(sys.argv[1])
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # uvloop hands on what is inheritable
    # Whatever a library prints must not stand between two frames.
    answers, requests = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    _limit(order)
    try:
        _say(answers, *_outcome(order, requests, answers))
    except (BrokenPipeError, PipeClosed):  # nobody wants to know any more
        sys.exit(0)


def _limit(order: Order) -> None:
    hide_memory()  # from the readers of other teams' files, should one be taken over
    drop_privileges()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    limits = {
        resource.RLIMIT_AS: order.memory_bytes,
        resource.RLIMIT_CPU: CPU_S_MAX,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: _FILES_MAX,
        resource.RLIMIT_FSIZE: order.size_bytes + FRAME_BYTES,
    }
    for which, most in limits.items():
        resource.setrlimit(which, (most, most))


def _outcome(order: Order, requests: BinaryIO, answers: BinaryIO) -> tuple[Kind, str]:
    def fetch(start: int, end: int) -> bytes:
        answers.write(HEADER.pack(Kind.RANGE, start, end))
        answers.flush()
        return requests.read(end - start)

    try:
        _send_rows(order, fetch, answers)
    except FileInvalid as error:
        return Kind.REFUSED, str(error)
    except (MemoryError, pa.ArrowMemoryError):
        most = f"{order.memory_bytes >> 20} MiB"
        return Kind.REFUSED, f"needs more than {most} of memory to be read; use smaller row groups"
    except ScratchFailed as error:
        return Kind.FAILED, str(error)
    return Kind.END, ""


def _send_rows(order: Order, fetch: Callable[[int, int], bytes], answers: BinaryIO) -> None:
    waiting: list[bytes] = []
    size = first = 0
    with BlockFile(fetch, size_bytes=order.size_bytes) as file:
        for number, written in _written(order, file):
            if waiting and size + len(written) > FRAME_BYTES:
                _send(answers, Kind.ROWS, first, b"\n".join(waiting))
                waiting, size = [], 0
            first = first if waiting else number
            waiting.append(written)
            size += len(written) + 1
    if waiting:
        _send(answers, Kind.ROWS, first, b"\n".join(waiting))


def _written(order: Order, file: BlockFile) -> Iterator[tuple[int, bytes]]:
    origin = Origin(order.address)
    for first, rows in numbered_batches(file, row_count=order.row_count, columns=order.columns):
        for number, row in enumerate(rows, start=first):
            try:
                written = write_row(json_row(row, origin))
            except RowInvalid as error:
                raise FileInvalid(f"row {number} {error}") from None
            if len(written) >= order.row_bytes:
                raise FileInvalid(f"row {number} makes more than {order.row_bytes} bytes of JSON")
            yield number, written


def _say(answers: BinaryIO, kind: Kind, message: str) -> None:
    _send(answers, kind, 0, message.encode(errors="replace"))
    answers.close()


def _send(answers: BinaryIO, kind: Kind, number: int, payload: bytes) -> None:
    answers.write(HEADER.pack(kind, number, len(payload)))
    answers.write(payload)
    answers.flush()


if __name__ == "__main__":
    main()
