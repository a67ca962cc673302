"""The near end of the worker: gives it the bytes it asks for and takes its rows."""

import asyncio
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from importer.domain.dataset import DatasetError
from importer.outbound.parquet.blocks import BLOCK_BYTES
from importer.outbound.parquet.frames import HEADER, Kind, Order
from importer.ports import FetchRange, RowsOrder
from servicekit import logs
from servicekit.errors import Kind as ErrorKind
from servicekit.errors import ServiceError

_COMMAND = (sys.executable, "-I", "-m", "importer.outbound.parquet.worker")
_PAYLOAD_BYTES_MAX = 64 * 1024 * 1024  # a frame holds half a MiB, or one row

_log = logs.get_logger("importer.parquet")


class ReaderUnavailable(ServiceError):
    """This machine starts no reader, or has no room for its blocks; a repeat may go better."""

    kind = ErrorKind.UNAVAILABLE
    reason = "PARQUET_READER_UNAVAILABLE"


class ParquetReader:
    """Reads Parquet files, each in a process of its own.

    Args:
        memory_bytes: what such a process may use, of address space.
    """

    def __init__(self, *, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes

    async def rows(
        self, order: RowsOrder, fetch: FetchRange
    ) -> AsyncGenerator[tuple[int, list[bytes]], None]:
        """See `importer.ports.TableReader`."""
        told = Order(
            size_bytes=order.size_bytes,
            row_count=order.row_count,
            row_bytes=order.limits.row_bytes,
            columns=order.limits.columns,
            address=order.address,
            memory_bytes=self._memory_bytes,
        )
        async with _running(told) as pipes:
            while True:
                kind, number, value = await pipes.header()
                if kind == Kind.RANGE:
                    _check_range(number, value, order.size_bytes)
                    await pipes.send(fetch(number, value))
                    continue
                payload = await pipes.payload(value)
                if kind == Kind.END:
                    return
                if kind != Kind.ROWS:
                    raise _refusal(kind, payload.decode(errors="replace"))
                yield number, payload.split(b"\n")


@dataclass(slots=True)
class _Pipes:
    """Both ways to a worker.

    Attributes:
        has_begun: whether it said anything; what ends it before is no fault of the file.
    """

    answers: asyncio.StreamReader
    requests: asyncio.StreamWriter
    has_begun: bool = False

    async def header(self) -> tuple[bytes, int, int]:
        kind, number, value = HEADER.unpack(await self.answers.readexactly(HEADER.size))
        self.has_begun = True
        return kind, number, value

    async def payload(self, length: int) -> bytes:
        if length > _PAYLOAD_BYTES_MAX:
            raise _broken_down()
        return await self.answers.readexactly(length)

    async def send(self, parts: AsyncIterator[bytes]) -> None:
        async for part in parts:
            self.requests.write(part)
            await self.requests.drain()


@asynccontextmanager
async def _running(order: Order) -> AsyncIterator[_Pipes]:
    # Nothing of our environment: the service's secrets are there.
    environment = {"TMPDIR": tempfile.gettempdir(), "ARROW_DEFAULT_MEMORY_POOL": "system"}
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, order.text(), stdin=PIPE, stdout=PIPE, env=environment
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a worker without pipes")
    pipes = _Pipes(process.stdout, process.stdin)
    try:
        yield pipes
    except (BrokenPipeError, ConnectionResetError, asyncio.IncompleteReadError):
        _log.warning("parquet_worker_ended", exit_code=await process.wait())
        if not pipes.has_begun:
            raise ReaderUnavailable("the reader of Parquet files does not start") from None
        raise _broken_down() from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        process.stdin.close()


def _check_range(start: int, end: int, size_bytes: int) -> None:
    """Give a worker that was taken over no more than one block at a time."""
    if not (start < end <= size_bytes and end - start <= BLOCK_BYTES):
        raise _broken_down()


def _broken_down() -> DatasetError:
    return DatasetError("cannot be read as Parquet: its reader broke down")


def _refusal(kind: bytes, message: str) -> ServiceError:
    if kind == Kind.FAILED:
        return ReaderUnavailable(f"a Parquet file cannot be read here now: {message}")
    return DatasetError(message)
