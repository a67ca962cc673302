"""Read the files of a hub dataset as rows, one after the other, and stop when there are enough."""

import asyncio
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from importer.domain.dataset import DatasetError, RowFormat
from importer.domain.hub import HubFile
from importer.domain.hub_datasets.formats import Encoding, FileFormat, encoding_of
from importer.domain.hub_datasets.json_file import JsonFile
from importer.domain.normalising import Normaliser
from importer.domain.row_writer import RowWriter
from importer.ports import HubSession, RowsOrder, TableReader
from importer.usecases.hub_datasets.find_hub_files import FoundFiles

STEP_BYTES = 512 * 1024  # 20 ms of parsing in a thread; the event loop gets its turns in between
_GZIP_WINDOW = 31  # zlib's word for a gzip header around the stream


@dataclass(slots=True)
class Budget:
    """How many bytes may still be downloaded for a dataset."""

    left: int

    def spend(self, size_bytes: int) -> None:
        """Count bytes that came.

        Raises:
            DatasetError: there were too many.
        """
        self.left -= size_bytes
        if self.left < 0:
            message = "more bytes would have to be downloaded than allowed; set `max_rows`"
            raise DatasetError(message, param="max_rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRows:
    """Reads the files of one dataset.

    Attributes:
        session: who asks.
        repo: the repository.
        found: its files.
        tables: reads Parquet files.
        writer: counts the rows of all files.
        budget: of downloaded bytes, over all files.
    """

    session: HubSession
    repo: str
    found: FoundFiles
    tables: TableReader
    writer: RowWriter
    budget: Budget

    async def written(self) -> AsyncGenerator[bytes, None]:
        """Yield the rows of all files as lines of JSON.

        Raises:
            DatasetError: a file cannot be used; the message names it.
            EmptyDataset: no file has a row.
            HubForbidden, HubNotFound, HubUnavailable, HubAnswerInvalid: the hub says no.
        """
        for file in self.found.files:
            if self.writer.is_full:
                return
            try:
                async with aclosing(self._of_file(file)) as rows:
                    async for chunk in rows:
                        yield chunk
            except DatasetError as error:
                raise DatasetError(f"{file.path}: {error.message}", file=file.path) from None
        self.writer.check_not_empty()

    async def _of_file(self, file: HubFile) -> AsyncGenerator[bytes, None]:
        encoding = encoding_of(file.path)
        if encoding is None or file.size_bytes == 0:
            return
        is_table = encoding.format is FileFormat.PARQUET
        rows = self._of_table(file) if is_table else self._of_text(file, encoding)
        async with aclosing(rows):
            async for chunk in rows:
                yield chunk

    async def _of_table(self, file: HubFile) -> AsyncGenerator[bytes, None]:
        order = RowsOrder(
            size_bytes=file.size_bytes,
            row_count=self.writer.wanted,
            address=self.session.address(self.repo, self.found.commit),
            limits=self.writer.limits,
        )
        batches = self.tables.rows(order, lambda start, end: self._content(file, start, end))
        async with aclosing(batches):
            async for first, rows in batches:
                yield b"".join(self.writer.take(n, row) for n, row in enumerate(rows, first))

    async def _of_text(self, file: HubFile, encoding: Encoding) -> AsyncGenerator[bytes, None]:
        is_csv = encoding.format is FileFormat.CSV
        reader = Normaliser(RowFormat.CSV, self.writer) if is_csv else JsonFile(self.writer)
        steps = self._unpacked(file) if encoding.is_gzip else self._steps(file)
        async with aclosing(steps):
            async for step in steps:
                if rows := await asyncio.to_thread(reader.feed, step):
                    yield rows
                if self.writer.is_full:
                    return
        if rows := await asyncio.to_thread(reader.end):
            yield rows

    async def _steps(self, file: HubFile) -> AsyncGenerator[bytes, None]:
        """Gather what comes in small pieces, so that a step is worth its thread."""
        held = bytearray()
        async with aclosing(self._content(file, 0, file.size_bytes)) as content:
            async for part in content:
                held += part
                while len(held) >= STEP_BYTES:
                    yield bytes(held[:STEP_BYTES])
                    del held[:STEP_BYTES]
        if held:
            yield bytes(held)

    async def _unpacked(self, file: HubFile) -> AsyncGenerator[bytes, None]:
        """Unpack gzip, of one or more parts, never more than a step at a time."""
        unpacker = zlib.decompressobj(_GZIP_WINDOW)
        async with aclosing(self._steps(file)) as packed:
            async for step in packed:
                rest = step
                while rest:
                    if unpacker.eof:
                        unpacker = zlib.decompressobj(_GZIP_WINDOW)
                    yield await asyncio.to_thread(_unpack, unpacker, rest)
                    rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        if not unpacker.eof:
            raise DatasetError("is cut off: its gzip stream has no end")

    async def _content(self, file: HubFile, start: int, end: int) -> AsyncGenerator[bytes, None]:
        content = self.session.content(
            self.repo, self.found.commit, file.path, start=start, end=end
        )
        async with aclosing(content):
            async for part in content:
                self.budget.spend(len(part))
                yield part


def _unpack(unpacker: "zlib._Decompress", packed: bytes) -> bytes:
    try:
        return unpacker.decompress(packed, STEP_BYTES)
    except zlib.error:
        raise DatasetError("is not gzip, though its name says so") from None
