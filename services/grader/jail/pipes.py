"""Pipes out of a jail: read as fast as they are written, kept only in part."""

import asyncio
import os
from collections.abc import Callable
from contextlib import ExitStack, suppress

_READ_BYTES = 65_536
# As many as empty the largest pipe (1 MiB, unless the kernel was told otherwise), so that all that
# a dead child wrote is read, and a living one cannot keep us reading.
_READS_MAX = 17


def open_pipe(opened: ExitStack) -> tuple[int, int]:
    """The reading and the writing end of a pipe; `opened` closes both, unless it is told not to.

    Raises:
        OSError: there are no descriptors left.
    """
    reading, writing = os.pipe()
    for descriptor in (reading, writing):
        opened.callback(os.close, descriptor)
    return reading, writing


class Tap:
    """The reading end of a pipe whose writer is not trusted.

    Keeps the first `keep_bytes` and counts the rest, so a flood costs neither memory nor stalls
    anybody. `on_more` is called with the size of each piece.
    """

    def __init__(
        self, descriptor: int, *, keep_bytes: int, on_more: Callable[[int], None] | None = None
    ) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._keep_bytes = keep_bytes
        self._on_more = on_more
        self._head = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._read)

    def text(self) -> str:
        """What was kept, as text.

        Half a character at the cut is dropped, other bytes are replaced.
        """
        self.drain()
        return (
            bytes(self._head).decode("utf-8", "replace").removesuffix("\N{REPLACEMENT CHARACTER}")
        )

    def drain(self) -> None:
        """Read what is there now; of what is written meanwhile, no more than a pipe holds."""
        for _ in range(_READS_MAX):
            if self._descriptor < 0 or not self._read():
                return

    def close(self) -> None:
        """Stop reading."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> bool:
        chunk = b""
        with suppress(BlockingIOError):
            chunk = os.read(self._descriptor, _READ_BYTES)
            if not chunk:  # the last writer is gone; a closed pipe would wake the loop for ever
                self._loop.remove_reader(self._descriptor)
        if chunk:
            self._head += chunk[: max(0, self._keep_bytes - len(self._head))]
            if self._on_more is not None:
                self._on_more(len(chunk))
        return bool(chunk)
