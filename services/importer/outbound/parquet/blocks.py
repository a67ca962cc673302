"""A file that comes in blocks, each when it is first looked at."""

import io
import os
import tempfile
from collections.abc import Callable
from typing import Self

BLOCK_BYTES = 8 * 1024 * 1024  # a request for each: what 20 ms of a way to the hub are worth


class PipeClosed(Exception):
    """Nobody sends blocks any more."""


class ScratchFailed(Exception):
    """Blocks cannot be kept: the disk is full, or not there."""


class BlockFile(io.RawIOBase):
    """Reads like a file; blocks that came lie in a nameless file, which ends with its process.

    Args:
        fetch: returns the bytes from a first one to before a last one; fewer when it is over.
        size_bytes: length of the file.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], *, size_bytes: int) -> None:
        super().__init__()
        self._fetch = fetch
        self._size = size_bytes
        self._position = 0
        self._here: set[int] = set()
        try:
            self._scratch = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this file
        except OSError as error:
            raise ScratchFailed(f"no temporary file: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def close(self) -> None:
        """Give the space back."""
        self._scratch.close()
        super().close()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def size(self) -> int:
        """Length of the file."""
        return self._size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to another place; nothing is fetched."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, fetching the blocks that are missing."""
        start = min(self._position, self._size)
        end = self._size if size < 0 else min(start + size, self._size)
        for block in range(start // BLOCK_BYTES, -(-end // BLOCK_BYTES)):
            if block not in self._here:
                self._bring(block)
        self._position = end
        return os.pread(self._scratch.fileno(), end - start, start)

    def _bring(self, block: int) -> None:
        start = block * BLOCK_BYTES
        end = min(start + BLOCK_BYTES, self._size)
        content = self._fetch(start, end)
        if len(content) != end - start:
            raise PipeClosed
        try:
            self._scratch.seek(start)
            self._scratch.write(content)
            self._scratch.flush()
        except OSError as error:
            raise ScratchFailed(f"temporary space: {error.strerror}") from None
        self._here.add(block)
