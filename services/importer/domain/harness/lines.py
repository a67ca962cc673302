"""Lines of a file of any size, in bounded memory, each read as JSON."""

import json
from collections.abc import Iterator

import orjson

LINE_BYTES_MAX = 8 * 1024 * 1024  # a sample travels in a message of at most 16 MiB
DEPTH_MAX = 60  # what every later reader can follow

BROKEN = object()
"""Stands for a line that cannot be used."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LineReader:
    """Cuts bytes into lines and reads them; a line too long is dropped without being held."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_first = True
        self._skips = False

    def feed(self, chunk: bytes) -> Iterator[object]:
        """Yield the JSON value of each line that `chunk` completes, or BROKEN; none if blank."""
        *whole, rest = chunk.split(b"\n")
        if whole:
            yield from self._end_line(whole[0])  # it may have begun in an earlier chunk
            for line in whole[1:]:
                if len(line) > LINE_BYTES_MAX:
                    yield BROKEN
                elif line and not line.isspace():
                    yield value_of(line)
        self._keep(rest)

    def end(self) -> Iterator[object]:
        """Yield what stood behind the last line feed."""
        yield from self._end_line(b"")

    def _keep(self, part: bytes) -> None:
        if self._skips:
            return
        if len(self._rest) + len(part) > LINE_BYTES_MAX:
            self._rest, self._skips = b"", True
        else:
            self._rest += part

    def _end_line(self, part: bytes) -> Iterator[object]:
        self._keep(part)
        line, self._rest = self._rest, b""
        if self._skips:
            self._skips = False
            yield BROKEN
            return
        if self._is_first:
            self._is_first = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if line and not line.isspace():
            yield value_of(line)


def value_of(line: bytes) -> object:
    """Return the JSON value of a line, or BROKEN.

    NaN and infinity, which the harness writes, are read as null.
    """
    try:
        value: object = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = _loosely(line)
    brackets = line.count(b"{") + line.count(b"[")
    if brackets > DEPTH_MAX and value is not BROKEN and _is_too_deep(value):
        return BROKEN
    return value


def _loosely(line: bytes) -> object:
    if b"NaN" not in line and b"Infinity" not in line:
        return BROKEN
    try:
        value: object = json.loads(line, parse_constant=lambda _: None)
        orjson.dumps(value)  # half surrogates and numbers beyond 64 bits cannot be written again
    except (ValueError, TypeError, RecursionError):
        return BROKEN
    return value


def _is_too_deep(value: object) -> bool:
    level: list[object] = [value]
    for _ in range(DEPTH_MAX):
        inner: list[object] = []
        for whole in level:
            if isinstance(whole, dict):
                inner += whole.values()
            elif isinstance(whole, list):
                inner += whole
        level = [part for part in inner if isinstance(part, dict | list)]
        if not level:
            return False
    return True
