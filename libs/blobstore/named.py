"""Objects under names of our choice, for what one service keeps as long as something else exists.

Blobs are named by their content and shared by all who mean it; an object belongs to whoever named
it, so it can be deleted without asking anybody.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from blobstore.store import CHUNK_BYTES, BlobStoreUnavailable
from servicekit.errors import Kind, ServiceError

_DELETED_AT_ONCE = 500


class ObjectNotFound(ServiceError):
    """Nothing has this name."""

    kind = Kind.NOT_FOUND
    reason = "OBJECT_NOT_FOUND"


class NamedObjects:
    """Objects below one folder of a folder or bucket; use `open`.

    Who writes under a name writes it once: a half-written object is possible after a crash, so a
    name is told to others when the writing is done.
    """

    def __init__(self, objects: ObjectStore, *, folder: str) -> None:
        self._objects = objects
        self._folder = folder

    @classmethod
    def open(cls, url: str, *, folder: str) -> "NamedObjects":
        """The objects in `folder` of the store at `url`; the same addresses as `BlobStore.open`."""
        parts = urlsplit(url)
        if parts.scheme == "file":
            return cls(LocalStore(Path(unquote(parts.path)), mkdir=True), folder=folder)
        return cls(from_url(url), folder=folder)

    async def put(self, name: str, content: bytes | AsyncIterator[bytes]) -> None:
        """Store an object.

        Raises:
            BlobStoreUnavailable: it could not be written.
        """
        with _unavailable(name):
            await obstore.put_async(self._objects, self._key(name), content)

    async def get(self, name: str) -> bytes:
        """The object's bytes, all of them in memory.

        Raises:
            ObjectNotFound: there is none.
            BlobStoreUnavailable: it could not be read.
        """
        with _unavailable(name):
            found = await obstore.get_async(self._objects, self._key(name))
            return bytes(await found.bytes_async())

    async def read_lines(self, name: str) -> AsyncIterator[list[bytes]]:
        """The object's lines without their newlines, in batches of about 1 MiB.

        Raises:
            ObjectNotFound: there is none.
            BlobStoreUnavailable: it could not be read.
        """
        rest = b""
        with _unavailable(name):
            found = await obstore.get_async(self._objects, self._key(name))
            async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                *lines, rest = (rest + bytes(chunk)).split(b"\n")
                if lines:
                    yield lines
        if rest:
            yield [rest]

    async def delete_below(self, name: str) -> int:
        """Delete all objects whose names begin with `name` and a slash; return how many.

        Raises:
            BlobStoreUnavailable: not all could be deleted.
        """
        deleted = 0
        with _unavailable(name):
            listing = obstore.list(
                self._objects, prefix=self._key(name), chunk_size=_DELETED_AT_ONCE
            )
            async for batch in listing:
                for found in batch:
                    await obstore.delete_async(self._objects, found["path"])
                deleted += len(batch)
        return deleted

    def _key(self, name: str) -> str:
        return f"{self._folder}/{name}"


@contextmanager
def _unavailable(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectNotFound(f"there is no object {name}", name=name) from error
    except (BaseError, PermissionError) as error:
        raise BlobStoreUnavailable("the object store cannot be used") from error
