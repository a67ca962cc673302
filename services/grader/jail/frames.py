"""Frames between the host and one child.

Four bytes of length, then JSON or, where announced, raw bytes.
"""

import asyncio
import socket
import struct
from contextlib import suppress

LENGTH = struct.Struct(">I")
_READ_BYTES = 262_144


class FrameTooLong(Exception):
    """A child announced a frame longer than it may send; nothing of it was kept."""


class FrameStream:
    """The host's end of a child's socket. One task may receive while others send.

    `interrupt` makes a waiting `receive` return as if the child had hung up: a flood or a lost jail
    ends the conversation without a task of its own.
    """

    def __init__(self, stream: socket.socket, *, frame_bytes_max: int) -> None:
        stream.settimeout(0)
        self._stream = stream
        self._frame_bytes_max = frame_bytes_max
        self._unread = bytearray()
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.Lock()

    async def send(self, *frames: bytes) -> None:
        """Write frames; waits while the child does not read.

        Nothing happens when the child is gone.
        """
        framed = b"".join(part for frame in frames for part in (LENGTH.pack(len(frame)), frame))
        async with self._sending:
            with suppress(ConnectionError):
                await self._loop.sock_sendall(self._stream, framed)

    async def receive(self) -> bytes | None:
        """The next frame, or None when the child has hung up; half a frame counts as none.

        Raises:
            FrameTooLong: the child announced more than it may send.
        """
        if not await self._fill(LENGTH.size):
            return None
        (length,) = LENGTH.unpack_from(self._unread)
        if length > self._frame_bytes_max:
            raise FrameTooLong(f"a frame of {length} bytes; {self._frame_bytes_max} are allowed")
        if not await self._fill(LENGTH.size + length):
            return None
        frame = bytes(self._unread[LENGTH.size : LENGTH.size + length])
        del self._unread[: LENGTH.size + length]
        return frame

    def interrupt(self) -> None:
        """End the conversation in both directions, whoever waits."""
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the socket; nobody may be waiting on it."""
        self._stream.close()

    async def _fill(self, count: int) -> bool:
        while len(self._unread) < count:
            try:
                chunk = await self._loop.sock_recv(self._stream, _READ_BYTES)
            except ConnectionError:
                return False
            if not chunk:
                return False
            self._unread += chunk
        return True
