"""Who refers to which blob, and removing those that nothing refers to."""

from sqlalchemy import func
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from importer.outbound.rows import DatasetRow, FileRow, UnusedBlobRow
from importer.ports import BlobRemoval
from pgstore.database import Database


class PostgresBlobUses:
    """Counts references by query: files' contents and datasets' rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def noted(self, *, limit: int) -> list[str]:
        """See `importer.ports.BlobUses`."""
        query = select(UnusedBlobRow.sha256).order_by(col(UnusedBlobRow.noted_at)).limit(limit)
        async with self._database.transaction() as session:
            return list(await session.exec(query))

    async def release(self, sha256: str, *, remove: BlobRemoval) -> None:
        """See `importer.ports.BlobUses`."""
        async with self._database.transaction() as session:
            await lock_blob(session, sha256)
            if not await _is_used(session, sha256):
                # Before the commit, so that the lock still holds; a failed commit repeats it.
                await remove(sha256)
            await session.exec(delete(UnusedBlobRow).where(col(UnusedBlobRow.sha256) == sha256))


async def lock_blob(session: AsyncSession, sha256: str) -> None:
    """Let nobody else add or remove references to a blob until the transaction ends."""
    key = int.from_bytes(bytes.fromhex(sha256)[:8], signed=True)
    await session.exec(select(func.pg_advisory_xact_lock(key)))


async def _is_used(session: AsyncSession, sha256: str) -> bool:
    by_file = select(FileRow.id).where(FileRow.sha256 == sha256).limit(1)
    by_dataset = select(DatasetRow.rows_sha256).where(DatasetRow.rows_sha256 == sha256).limit(1)
    for query in (by_file, by_dataset):
        if (await session.exec(query)).first() is not None:
            return True
    return False
