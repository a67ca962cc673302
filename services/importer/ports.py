"""What the use cases need of the tables."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from importer.domain.dataset import DatasetSource, Rows
from importer.domain.file import File, Owner
from importer.domain.lookup import Listing

BlobCheck = Callable[[str], Awaitable[bool]]
"""Tells whether a blob exists."""

BlobRemoval = Callable[[str], Awaitable[None]]
"""Removes a blob; none there is no error."""


@dataclass(frozen=True, slots=True)
class FilePage:
    """Some files in the order asked for, and whether more follow."""

    files: Sequence[File]
    has_more: bool


class Files(Protocol):
    """The records of files; whoever asks sees those of one team."""

    async def add(self, file: File, *, still_there: BlobCheck) -> File:
        """Store a record unless one with its id exists; return the one that is there then.

        `still_there` is asked while nobody can remove the blob.

        Raises:
            FileIdTaken: the record that is there has another owner or content.
            UploadRaced: the blob was removed a moment ago.
        """

    async def find(self, owner: Owner, file_ids: Sequence[str]) -> list[File]:
        """Return those of the files that the team has, in no particular order."""

    async def page(self, owner: Owner, listing: Listing) -> FilePage:
        """Return one page of the team's files by create time.

        Raises:
            InvalidCursor: the team does not have the file `listing.after_id`.
        """

    async def remove(self, owner: Owner, file_id: str) -> File | None:
        """Remove a record and note its blob as perhaps unused; None when there is no such."""


class Datasets(Protocol):
    """Datasets that were resolved before."""

    async def find(self, source: DatasetSource, *, now: datetime) -> Rows | None:
        """Return the rows of a source and remember that they are in use; None when unknown."""

    async def add(
        self, source: DatasetSource, rows: Rows, *, still_there: BlobCheck, now: datetime
    ) -> None:
        """Remember the rows of a source.

        Raises:
            DatasetRaced: the blob was removed a moment ago.
        """

    async def forget(self, *, unused_since: datetime) -> None:
        """Forget rows whose file is gone and that nobody asked for since then; note their blobs."""


class BlobUses(Protocol):
    """Who refers to which blob."""

    async def noted(self, *, limit: int) -> list[str]:
        """Return blobs that were noted as perhaps unused, oldest first."""

    async def release(self, sha256: str, *, remove: BlobRemoval) -> None:
        """Remove a blob if nothing refers to it, and drop the note about it.

        No record that refers to it can be added meanwhile.
        """
