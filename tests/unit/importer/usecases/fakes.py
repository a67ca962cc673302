"""The importer's tables in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime

from importer.domain.dataset import DatasetRaced, DatasetSource, Rows
from importer.domain.file import File, Owner
from importer.domain.lookup import InvalidCursor, Listing
from importer.domain.upload import FileIdTaken, UploadRaced
from importer.ports import BlobCheck, BlobRemoval, FilePage

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class FixedClock:
    def utc_now(self) -> datetime:
        return NOW


class FakeTables:
    """Files, datasets and uses of blobs; one object, because uses are counted over both."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.datasets: dict[DatasetSource, tuple[Rows, datetime]] = {}
        self.unused: list[str] = []

    async def add(self, file: File, *, still_there: BlobCheck) -> File:
        if not await still_there(file.sha256):
            raise UploadRaced("gone")
        stored = self.files.setdefault(file.id, file)
        if (stored.owner, stored.sha256) != (file.owner, file.sha256):
            raise FileIdTaken("taken")
        return stored

    async def find(self, owner: Owner, file_ids: Sequence[str]) -> list[File]:
        found = (self.files.get(file_id) for file_id in file_ids)
        return [file for file in found if file and file.owner == owner]

    async def page(self, owner: Owner, listing: Listing) -> FilePage:
        files = sorted(
            (file for file in self.files.values() if file.owner == owner),
            key=lambda file: (file.created_at, file.id),
            reverse=not listing.ascending,
        )
        if listing.after_id:
            ids = [file.id for file in files]
            if listing.after_id not in ids:
                raise InvalidCursor("unknown")
            files = files[ids.index(listing.after_id) + 1 :]
        if listing.purpose:
            files = [file for file in files if file.purpose is listing.purpose]
        if listing.sha256:
            files = [file for file in files if file.sha256 == listing.sha256]
        return FilePage(files[: listing.limit], has_more=len(files) > listing.limit)

    async def remove(self, owner: Owner, file_id: str) -> File | None:
        if not await self.find(owner, [file_id]):
            return None
        file = self.files.pop(file_id)
        self.unused.append(file.sha256)
        return file

    async def noted(self, *, limit: int) -> list[str]:
        return self.unused[:limit]

    async def release(self, sha256: str, *, remove: BlobRemoval) -> None:
        used = {file.sha256 for file in self.files.values()}
        used |= {rows.sha256 for rows, _ in self.datasets.values()}
        if sha256 not in used:
            await remove(sha256)
        self.unused = [noted for noted in self.unused if noted != sha256]


class FakeDatasets:
    """The datasets of `FakeTables`."""

    def __init__(self, tables: FakeTables) -> None:
        self._tables = tables

    async def find(self, source: DatasetSource, *, now: datetime) -> Rows | None:
        if source not in self._tables.datasets:
            return None
        rows, _ = self._tables.datasets[source]
        self._tables.datasets[source] = (rows, now)
        return rows

    async def add(
        self, source: DatasetSource, rows: Rows, *, still_there: BlobCheck, now: datetime
    ) -> None:
        if not await still_there(rows.sha256):
            raise DatasetRaced("gone")
        self._tables.datasets[source] = (rows, now)

    async def forget(self, *, unused_since: datetime) -> None:
        sources = {file.sha256 for file in self._tables.files.values()}
        for source, (rows, used_at) in list(self._tables.datasets.items()):
            if used_at < unused_since and source.sha256 not in sources:
                del self._tables.datasets[source]
                self._tables.unused.append(rows.sha256)
