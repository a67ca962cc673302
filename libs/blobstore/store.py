"""Blobs under their SHA-256: written once, never changed, complete or absent."""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from servicekit.errors import Kind, ServiceError

CHUNK_BYTES = 1024 * 1024  # of a read; memory held is a few of these
LINE_BYTES_MAX = 16 * 1024 * 1024  # a row that is longer fits in no message anyway
UPLOADS = "tmp"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobNotFound(ServiceError):
    """No blob has this SHA-256."""

    kind = Kind.NOT_FOUND
    reason = "BLOB_NOT_FOUND"


class BlobTooLarge(ServiceError):
    """The stream is longer than allowed; nothing of it was kept."""

    kind = Kind.INVALID_ARGUMENT
    reason = "BLOB_TOO_LARGE"


class BlobLineTooLong(ServiceError):
    """A line of the blob is too long to be held in memory."""

    kind = Kind.INVALID_ARGUMENT
    reason = "BLOB_LINE_TOO_LONG"


class BlobStoreUnavailable(ServiceError):
    """The object store cannot be reached, is full, or refuses us."""

    kind = Kind.UNAVAILABLE
    reason = "BLOB_STORE_UNAVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A stored blob: its name in lower-case hexadecimal, and its length."""

    sha256: str
    size_bytes: int


class BlobStore:
    """Blobs in a folder or bucket; use `open`.

    Two writers of the same bytes meet in the same blob. Who deletes must know that nobody else
    means it.
    """

    def __init__(self, objects: ObjectStore, *, folder: Path | None) -> None:
        self._objects = objects
        self._folder = folder

    @classmethod
    def open(cls, url: str) -> "BlobStore":
        """The store at `url`: `file:///folder`, made when missing, or another url obstore knows."""
        parts = urlsplit(url)
        if parts.scheme == "file":
            folder = Path(unquote(parts.path))
            return cls(LocalStore(folder, mkdir=True), folder=folder)
        return cls(from_url(url), folder=None)

    async def put_stream(self, chunks: AsyncIterator[bytes], *, max_bytes: int) -> Blob:
        """Store a stream and return its name; whatever ends it early leaves nothing behind.

        Raises:
            BlobTooLarge: it has more than `max_bytes`.
            BlobStoreUnavailable: it could not be written.
            Exception: whatever `chunks` raises, unchanged.
        """
        upload = f"{UPLOADS}/{uuid4().hex}"
        measured = _Measured(chunks, max_bytes=max_bytes)
        try:
            with _unavailable():
                await obstore.put_async(self._objects, upload, measured.read())
        except Exception:
            if measured.failure is not None:
                raise measured.failure from None
            raise
        with _unavailable():
            return await self._settle(upload, measured.blob())

    async def get_stream(self, sha256: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """The blob's bytes from `offset` on, in chunks of about 1 MiB.

        Raises:
            BlobNotFound: there is none.
            BlobStoreUnavailable: it could not be read.
        """
        key = _key(sha256)
        with _unavailable(sha256):
            if offset and offset >= await self.size(sha256):
                return  # the end of a blob is no range of it
            found = await obstore.get_async(
                self._objects, key, options={"range": {"offset": offset}} if offset else None
            )
            async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    async def read_lines(self, sha256: str) -> AsyncIterator[list[bytes]]:
        """The blob's lines without their newlines, in batches of about 1 MiB.

        The last line may lack its newline.

        Raises:
            BlobNotFound: there is none.
            BlobLineTooLong: a line has more than 16 MiB.
            BlobStoreUnavailable: it could not be read.
        """
        rest = b""
        async for chunk in self.get_stream(sha256):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LINE_BYTES_MAX:
                raise BlobLineTooLong(
                    f"a line has more than {LINE_BYTES_MAX} bytes", max_bytes=LINE_BYTES_MAX
                )
            if lines:
                yield lines
        if rest:
            yield [rest]

    async def size(self, sha256: str) -> int:
        """The blob's length in bytes.

        Raises:
            BlobNotFound: there is none.
            BlobStoreUnavailable: the store cannot be asked.
        """
        with _unavailable(sha256):
            found = await obstore.head_async(self._objects, _key(sha256))
        return found["size"]

    async def exists(self, sha256: str) -> bool:
        """Whether the blob is there.

        Raises:
            BlobStoreUnavailable: the store cannot be asked.
        """
        try:
            await self.size(sha256)
        except BlobNotFound:
            return False
        return True

    async def delete(self, sha256: str) -> None:
        """Remove the blob if it is there.

        Raises:
            BlobStoreUnavailable: it could not be removed.
        """
        try:
            with _unavailable(sha256):
                await obstore.delete_async(self._objects, _key(sha256))
        except BlobNotFound:
            return

    async def remove_abandoned(self, *, older_than_s: float) -> int:
        """Remove what killed processes left of their uploads, and return how many files that were.

        Only for a folder: a bucket ends unfinished uploads by a rule of its own.
        """
        if self._folder is None:
            return 0
        return await asyncio.to_thread(
            _remove_old, self._folder / UPLOADS, time.time() - older_than_s
        )

    async def _settle(self, upload: str, blob: Blob) -> Blob:
        try:
            # The name decides the bytes, so writing over a blob that is there changes nothing.
            await obstore.rename_async(self._objects, upload, _key(blob.sha256), overwrite=True)
        except BaseException:
            with suppress(FileNotFoundError, BaseError):
                await obstore.delete_async(self._objects, upload)
            raise
        return blob


class _Measured:
    """Passes a stream on while counting and hashing it."""

    def __init__(self, chunks: AsyncIterator[bytes], *, max_bytes: int) -> None:
        self._chunks = chunks
        self._max_bytes = max_bytes
        self._size = 0
        self._hash = hashlib.sha256()
        self.failure: Exception | None = None

    async def read(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._limited():
                yield chunk
        except Exception as error:
            self.failure = error
            raise

    def blob(self) -> Blob:
        return Blob(sha256=self._hash.hexdigest(), size_bytes=self._size)

    async def _limited(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self._size += len(chunk)
            if self._size > self._max_bytes:
                raise BlobTooLarge(
                    f"more than {self._max_bytes} bytes were sent", max_bytes=self._max_bytes
                )
            self._hash.update(chunk)
            yield chunk


def _key(sha256: str) -> str:
    """Two levels of folders: 65,536 of them hold many millions of blobs with short listings."""
    if not _SHA256.fullmatch(sha256):  # also keeps `..` out of the path
        raise BlobNotFound("not a SHA-256 in lower-case hexadecimal", sha256=sha256)
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


@contextmanager
def _unavailable(sha256: str = "") -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BlobNotFound(f"there is no blob {sha256}", sha256=sha256) from error
    except (BaseError, PermissionError) as error:
        raise BlobStoreUnavailable("the object store cannot be used") from error


def _remove_old(folder: Path, before: float) -> int:
    removed = 0
    for path in folder.glob("*"):
        if path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
