"""Rows that were made before, and how new ones are kept."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from blobstore.store import BlobStore, BlobTooLarge
from importer.domain.dataset import DatasetError, DatasetSource, Rows
from importer.domain.row_writer import RowWriter
from importer.ports import BlobUses, Datasets
from servicekit.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsAtRest:
    """Finds rows by what they were made of, and stores those that nobody made yet."""

    datasets: Datasets
    uses: BlobUses
    blobs: BlobStore
    clock: Clock

    async def known(self, source: DatasetSource) -> Rows | None:
        """Return the rows of a source that was read before; None when it was not."""
        rows = await self.datasets.find(source, now=self.clock.utc_now())
        return rows if rows and await self.blobs.exists(rows.sha256) else None

    async def keep(
        self, source: DatasetSource, written: AsyncGenerator[bytes, None], writer: RowWriter
    ) -> Rows:
        """Store rows as they are written and remember what they were made of.

        Raises:
            DatasetError: they are too many bytes, or whatever `written` raises.
            DatasetRaced: repeat the call.
        """
        most = writer.limits.total_bytes
        try:
            async with aclosing(written) as chunks:
                blob = await self.blobs.put_stream(chunks, max_bytes=most)
        except BlobTooLarge:
            message = f"the rows need more than {most} bytes; set `max_rows`"
            raise DatasetError(message, max_bytes=most) from None
        rows = Rows(sha256=blob.sha256, row_count=writer.row_count, size_bytes=blob.size_bytes)
        try:
            now = self.clock.utc_now()
            await self.datasets.add(source, rows, still_there=self.blobs.exists, now=now)
        except BaseException:  # also when the caller went away: the rows must not stay behind
            await self.uses.release(rows.sha256, remove=self.blobs.delete)
            raise
        return rows
