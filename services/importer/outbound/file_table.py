"""The table of files."""

from collections.abc import Sequence

from sqlalchemy import func, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from importer.domain.file import File, Owner, Purpose
from importer.domain.lookup import InvalidCursor, Listing
from importer.domain.upload import FileIdTaken, UploadRaced
from importer.outbound.blob_uses import lock_blob
from importer.outbound.rows import FileRow, UnusedBlobRow
from importer.ports import BlobCheck, FilePage
from pgstore.database import Database


class PostgresFiles:
    """See `importer.ports.Files`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, file: File, *, still_there: BlobCheck) -> File:
        """Store a record unless one with its id exists; return the one that is there then."""
        statement = insert(FileRow).values(_values(file)).on_conflict_do_nothing()
        async with self._database.transaction() as session:
            await lock_blob(session, file.sha256)
            if not await still_there(file.sha256):
                raise UploadRaced("the same content was just deleted; please repeat the upload")
            await session.exec(statement)
            stored = (await session.exec(select(FileRow).where(FileRow.id == file.id))).one()
        if (stored.org_id, stored.team_id, stored.sha256) != (
            file.owner.org_id,
            file.owner.team_id,
            file.sha256,
        ):
            raise FileIdTaken(f"the id {file.id} is taken by another file", file=file.id)
        return _file(stored)

    async def find(self, owner: Owner, file_ids: Sequence[str]) -> list[File]:
        """Return those of the files that the team has."""
        query = _files_of(owner).where(col(FileRow.id).in_(file_ids))
        async with self._database.transaction() as session:
            return [_file(row) for row in await session.exec(query)]

    async def page(self, owner: Owner, listing: Listing) -> FilePage:
        """Return one page of the team's files by create time."""
        query = _files_of(owner)
        if listing.purpose:
            query = query.where(FileRow.purpose == listing.purpose)
        if listing.sha256:
            query = query.where(FileRow.sha256 == listing.sha256)
        place = tuple_(col(FileRow.created_at), col(FileRow.id))
        async with self._database.transaction() as session:
            if listing.after_id:
                after = await _cursor(session, owner, listing.after_id)
                begin = (after.created_at, after.id)
                query = query.where(place > begin if listing.ascending else place < begin)
            for part in (col(FileRow.created_at), col(FileRow.id)):
                query = query.order_by(part.asc() if listing.ascending else part.desc())
            rows = (await session.exec(query.limit(listing.limit + 1))).all()
        files = [_file(row) for row in rows[: listing.limit]]
        return FilePage(files=files, has_more=len(rows) > listing.limit)

    async def remove(self, owner: Owner, file_id: str) -> File | None:
        """Remove a record and note its blob as perhaps unused."""
        query = _files_of(owner).where(FileRow.id == file_id).with_for_update()
        async with self._database.transaction() as session:
            row = (await session.exec(query)).one_or_none()
            if row is None:
                return None
            await session.exec(delete(FileRow).where(col(FileRow.id) == file_id))
            # A crash before the blob is removed would otherwise leave it for ever.
            note = insert(UnusedBlobRow).values(sha256=row.sha256, noted_at=func.now())
            await session.exec(note.on_conflict_do_nothing())
            return _file(row)


def _files_of(owner: Owner) -> SelectOfScalar[FileRow]:
    """Every query of files begins here, so that no team sees another's."""
    return select(FileRow).where(FileRow.org_id == owner.org_id, FileRow.team_id == owner.team_id)


async def _cursor(session: AsyncSession, owner: Owner, file_id: str) -> FileRow:
    row = (await session.exec(_files_of(owner).where(FileRow.id == file_id))).one_or_none()
    if row is None:
        raise InvalidCursor(f"there is no file {file_id} to go on after", param="after")
    return row


def _values(file: File) -> dict[str, object]:
    return {
        "id": file.id,
        "org_id": file.owner.org_id,
        "team_id": file.owner.team_id,
        "filename": file.filename,
        "purpose": file.purpose.value,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "created_at": file.created_at,
    }


def _file(row: FileRow) -> File:
    return File(
        id=row.id,
        owner=Owner(org_id=row.org_id, team_id=row.team_id),
        filename=row.filename,
        purpose=Purpose(row.purpose),
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        created_at=row.created_at,
    )
