"""Turn a file into rows at rest."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from blobstore.store import BlobStore
from importer.domain.dataset import DatasetError, DatasetSource, RowFormat, RowLimits, Rows
from importer.domain.file import Owner, Purpose
from importer.domain.normalising import Normaliser
from importer.domain.row_writer import RowWriter
from importer.ports import Files
from importer.usecases.find_files import get_file
from importer.usecases.rows_at_rest import RowsAtRest
from manifest.references import dataset_format
from servicekit.caller import team_of
from servicekit.turns import Turns

STEP_BYTES = 512 * 1024  # 20 ms of parsing in a thread; the event loop gets its turns in between


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveDataset:
    """Reads a file once for each way it is asked for; later calls find the rows.

    Attributes:
        at_once: how many files may be read at the same time; teams take turns at them.
    """

    files: Files
    at_rest: RowsAtRest
    blobs: BlobStore
    limits: RowLimits
    at_once: Turns

    async def __call__(
        self, owner: Owner, *, file_id: str, row_format: RowFormat | None, max_rows: int | None
    ) -> Rows:
        """Return the rows of a file of the team; its name tells the format that is left out.

        Raises:
            FileNotFound: the team has no such file.
            DatasetError: the file is for another purpose, or a line cannot be used.
            EmptyDataset: there is no row.
            DatasetRaced: repeat the call.
        """
        source = await self._source(owner, file_id, row_format, max_rows)
        rows = await self.at_rest.known(source)
        if rows is None:
            async with self.at_once.place(team_of(owner)):
                # Whoever waited for its turn may find that the one before did the same work.
                rows = await self.at_rest.known(source) or await self._read(source)
        return rows

    async def _source(
        self, owner: Owner, file_id: str, row_format: RowFormat | None, max_rows: int | None
    ) -> DatasetSource:
        file = await get_file(self.files, owner, file_id)
        if file.purpose is not Purpose.EVALS:
            message = f"file {file_id} has the purpose {file.purpose}, not {Purpose.EVALS}"
            raise DatasetError(message, file=file_id, param="file_id")
        named = row_format or dataset_format(file.filename)
        if named is None:
            message = f"the name of file {file_id} does not tell the format; give `format`"
            raise DatasetError(message, file=file_id, param="format")
        return DatasetSource(sha256=file.sha256, row_format=RowFormat(named), max_rows=max_rows)

    async def _read(self, source: DatasetSource) -> Rows:
        writer = RowWriter(max_rows=source.max_rows, limits=self.limits)
        return await self.at_rest.keep(source, self._written(source, writer), writer)

    async def _written(
        self, source: DatasetSource, writer: RowWriter
    ) -> AsyncGenerator[bytes, None]:
        normaliser = Normaliser(source.row_format, writer)
        async for chunk in self.blobs.get_stream(source.sha256):
            for start in range(0, len(chunk), STEP_BYTES):
                step = chunk[start : start + STEP_BYTES]
                if rows := await asyncio.to_thread(normaliser.feed, step):
                    yield rows
                if writer.is_full:
                    return
        if rows := await asyncio.to_thread(normaliser.end):
            yield rows
        writer.check_not_empty()
