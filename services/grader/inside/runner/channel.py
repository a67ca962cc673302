"""Frames between one forked child and the host.

A length, then JSON, over the child's own socket.
"""

import json
import os
import re
import struct
from _thread import LockType, allocate_lock
from typing import Any

Frame = dict[str, Any]
"""One decoded JSON object from or for the host."""

LENGTH = struct.Struct(">I")
READ_BYTES = 65_536
# The host takes no larger frame of an execution that may ask for something.
REQUEST_BYTES_MAX = 1_048_576

# An escape, and not a backslash that is itself escaped before `u0000`.
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
# Made once: `json.dumps` would make one for each value.
_STRICT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode(value: object) -> bytes:
    """Strict JSON in UTF-8, without spaces; U+0000, which no store takes, becomes U+FFFD.

    Raises:
        ValueError, TypeError, RecursionError: the value is none.
    """
    text = _STRICT.encode(value)
    if "\\u0000" in text:
        text = _NUL.sub(r"\1\\ufffd", text)
    return text.encode()


class ChannelClosed(Exception):
    """The host has closed its end: nobody waits for the answer any more."""


class Channel:
    """The child's end of its conversation with the host.

    Any thread may call `request`; answers come in any order and go to the thread that asked. One of
    the waiting threads reads for all, so a single-threaded program costs no thread. The locks are
    the plain ones of `_thread`: once `threading` is imported, every fork pays for its bookkeeping.
    For the same reason `stream` is the descriptor of a socket, not an object around it.
    """

    def __init__(self, stream: int) -> None:
        self._stream = stream
        self._unread = bytearray()
        self._writing = allocate_lock()
        self._turn = allocate_lock()
        self._reading = False
        self._waiting: list[LockType] = []
        self._answers: dict[int, tuple[Frame, bytes]] = {}
        self._last_request = 0

    def receive(self) -> Frame:
        """The next frame of the host, decoded.

        Raises:
            ChannelClosed: the host has hung up.
        """
        frame: Frame = json.loads(self._receive_bytes().decode())
        return frame

    def send(self, frame: Frame) -> None:
        """Write one frame; blocks while the host is behind.

        Raises:
            ValueError, TypeError, RecursionError: the frame is not strict JSON; nothing was sent.
            OSError: the host has hung up.
        """
        self.send_encoded(encode(frame))

    def send_encoded(self, payload: bytes) -> None:
        """Write one frame that is JSON already."""
        unsent = memoryview(LENGTH.pack(len(payload)) + payload)
        with self._writing:
            while unsent:
                unsent = unsent[os.write(self._stream, unsent) :]

    def request(self, method: str, body: object) -> tuple[Frame, bytes]:
        """Ask the host and wait: its answer, and the raw bytes that followed it (empty for none).

        Raises:
            ValueError, TypeError, RecursionError: `body` is not strict JSON, or too much of it;
                nothing was sent.
            ChannelClosed: the host has hung up.
        """
        with self._turn:
            self._last_request += 1
            number = self._last_request
        payload = encode({"call": number, "method": method, "body": body})
        if len(payload) > REQUEST_BYTES_MAX:
            raise ValueError(f"the request has more than {REQUEST_BYTES_MAX:,} bytes as JSON")
        self.send_encoded(payload)
        return self._answer_to(number)

    def _answer_to(self, number: int) -> tuple[Frame, bytes]:
        while True:
            with self._turn:
                if number in self._answers:
                    return self._answers.pop(number)
                somebody_reads, self._reading = self._reading, True
                if somebody_reads:
                    woken = allocate_lock()
                    woken.acquire()
                    self._waiting.append(woken)
            if somebody_reads:
                woken.acquire()
            else:
                self._read_one()

    def _read_one(self) -> None:
        try:
            answer = self.receive()
            raw = self._receive_bytes() if answer.get("raw") else b""
            with self._turn:
                self._answers[answer["reply"]] = (answer, raw)
        finally:
            with self._turn:
                self._reading = False
                waiting, self._waiting = self._waiting, []
            for woken in waiting:
                woken.release()

    def _receive_bytes(self) -> bytes:
        (length,) = LENGTH.unpack(self._take(LENGTH.size))
        return self._take(length)

    def _take(self, count: int) -> bytes:
        unread = self._unread
        while len(unread) < count:
            chunk = os.read(self._stream, max(READ_BYTES, count - len(unread)))
            if not chunk:
                raise ChannelClosed
            unread += chunk
        taken = bytes(unread[:count])
        del unread[:count]
        return taken
