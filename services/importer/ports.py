"""What the use cases need of the tables, the hub, and the reader of Parquet files."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from importer.domain.dataset import DatasetSource, RowLimits, Rows
from importer.domain.file import File, Owner
from importer.domain.hub import HubFile
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsOrder:
    """Which rows of a table file are wanted.

    Attributes:
        size_bytes: length of the file.
        row_count: how many rows at most.
        address: where files lie that rows only name.
        limits: what is refused.
    """

    size_bytes: int
    row_count: int
    address: str
    limits: RowLimits


FetchRange = Callable[[int, int], AsyncIterator[bytes]]
"""Yields the bytes of a file from a first one to before a last one."""


class TableReader(Protocol):
    """Reads files whose rows lie in columns."""

    def rows(
        self, order: RowsOrder, fetch: FetchRange
    ) -> AsyncGenerator[tuple[int, list[bytes]], None]:
        """Yield rows as JSON in batches, with the number of each batch's first row, from 1.

        Raises:
            DatasetError: the file cannot be used; the message lacks its name.
            Exception: whatever `fetch` raises, unchanged.
        """


class HubSession(Protocol):
    """What one caller can ask of the hub.

    Every call raises HubForbidden, HubNotFound, HubUnavailable or HubAnswerInvalid.
    """

    async def commit(self, repo: str, revision: str) -> str:
        """Return the commit that a branch, tag or commit is now."""

    def files(self, repo: str, revision: str, *, folder: str = "") -> AsyncGenerator[HubFile, None]:
        """Yield the files in a folder and its folders; empty is the whole repository."""

    def content(
        self, repo: str, revision: str, path: str, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a file from `start` to before `end`, None to its end."""

    def address(self, repo: str, revision: str) -> str:
        """Return where the files of a commit can be fetched, without a `/` at its end."""
