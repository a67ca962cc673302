"""What is kept of a file while it is read twice: its bytes, unpacked, counted and hashed."""

import hashlib
import zlib
from collections.abc import Iterator

_STEP_BYTES = 512 * 1024
_GZIP = 31  # zlib's word for a gzip header and the largest window


class TooLarge(ValueError):
    """The file, or what it unpacks to, is larger than allowed."""


class NotReadable(ValueError):
    """The file is compressed and broken."""


class Unpacker:
    """Passes a file's bytes on, gunzipped when its name says so, in bounded pieces.

    Args:
        path: name of the file.
        bytes_max: most bytes of the file, and of what it unpacks to.
    """

    def __init__(self, path: str, *, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._hash = hashlib.sha256()
        self._size = 0
        self._unpacked = 0
        self._is_packed = path.endswith(".gz")
        self._inflater = zlib.decompressobj(_GZIP)

    @property
    def sha256(self) -> str:
        """Digest of the file as it came, lower-case hexadecimal."""
        return self._hash.hexdigest()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the unpacked bytes of a chunk.

        Raises:
            TooLarge: it is too much.
            NotReadable: it is not gzip.
        """
        self._hash.update(chunk)
        self._size += len(chunk)
        if self._size > self._bytes_max:
            raise TooLarge
        for part in self._inflated(chunk) if self._is_packed else (chunk,):
            self._unpacked += len(part)
            if self._unpacked > self._bytes_max:
                raise TooLarge
            yield part

    def end(self) -> None:
        """Tell that the file ended.

        Raises:
            NotReadable: it ended too early.
        """
        if self._is_packed and not (self._inflater.eof or self._size == 0):
            raise NotReadable

    def _inflated(self, chunk: bytes) -> Iterator[bytes]:
        waiting = chunk
        try:
            while waiting:
                if self._inflater.eof:  # a file may be several, one behind the other
                    self._inflater = zlib.decompressobj(_GZIP)
                yield self._inflater.decompress(waiting, _STEP_BYTES)
                waiting = self._inflater.unconsumed_tail or self._inflater.unused_data
        except zlib.error as error:
            raise NotReadable from error
