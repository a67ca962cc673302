"""The table of resolved datasets."""

from datetime import datetime

from sqlalchemy import exists, func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, update

from importer.domain.dataset import DatasetRaced, DatasetSource, Rows
from importer.outbound.blob_uses import lock_blob
from importer.outbound.rows import DatasetRow, FileRow, UnusedBlobRow
from importer.ports import BlobCheck
from pgstore.database import Database


class PostgresDatasets:
    """See `importer.ports.Datasets`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, source: DatasetSource, *, now: datetime) -> Rows | None:
        """Return the rows of a source and remember that they are in use."""
        statement = (
            update(DatasetRow)
            .where(
                col(DatasetRow.source_sha256) == source.sha256,
                col(DatasetRow.format) == source.row_format.value,
                col(DatasetRow.max_rows) == (source.max_rows or 0),
            )
            .values(used_at=now)
            .returning(
                col(DatasetRow.rows_sha256), col(DatasetRow.row_count), col(DatasetRow.size_bytes)
            )
        )
        async with self._database.transaction() as session:
            row = (await session.exec(statement)).one_or_none()
        if row is None:
            return None
        return Rows(sha256=row.rows_sha256, row_count=row.row_count, size_bytes=row.size_bytes)

    async def add(
        self, source: DatasetSource, rows: Rows, *, still_there: BlobCheck, now: datetime
    ) -> None:
        """Remember the rows of a source."""
        made = {
            "rows_sha256": rows.sha256,
            "row_count": rows.row_count,
            "size_bytes": rows.size_bytes,
            "created_at": now,
            "used_at": now,
        }
        key = {
            "source_sha256": source.sha256,
            "format": source.row_format.value,
            "max_rows": source.max_rows or 0,
        }
        statement = insert(DatasetRow).values({**key, **made})
        async with self._database.transaction() as session:
            await lock_blob(session, rows.sha256)
            if not await still_there(rows.sha256):
                raise DatasetRaced("the same rows were just deleted; please repeat the call")
            # A known source comes here only when the blob of its rows had vanished.
            await session.exec(statement.on_conflict_do_update(index_elements=key, set_=made))

    async def forget(self, *, unused_since: datetime) -> None:
        """Forget rows whose file is gone and that nobody asked for since then."""
        has_file = exists().where(col(FileRow.sha256) == col(DatasetRow.source_sha256))
        statement = (
            delete(DatasetRow)
            .where(col(DatasetRow.used_at) < unused_since, ~has_file)
            .returning(col(DatasetRow.rows_sha256))
        )
        async with self._database.transaction() as session:
            for sha256 in set((await session.exec(statement)).scalars()):
                note = insert(UnusedBlobRow).values(sha256=sha256, noted_at=func.now())
                await session.exec(note.on_conflict_do_nothing())
