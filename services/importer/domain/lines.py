"""Cutting a stream of bytes into lines of text, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass

from importer.domain.dataset import bad_line

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its line feed; a carriage return before that is still there."""

    number: int  # from 1
    text: str


class LineCutter:
    """Cuts UTF-8 text at line feeds; a byte-order mark at its beginning is dropped.

    Args:
        line_bytes_max: a longer line is an error, so that no file is read into memory whole.
    """

    def __init__(self, *, line_bytes_max: int) -> None:
        self._line_bytes_max = line_bytes_max
        self._rest = b""
        self._count = 0

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """Yield the lines that `chunk` completes; take all of them before the next call.

        Raises:
            DatasetError: a line is too long or not UTF-8.
        """
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for raw in whole:
            yield self._line(raw)
        self._check_length(self._rest, self._count + 1)

    def end(self) -> Iterator[Line]:
        """Yield what stood behind the last line feed, if anything did."""
        if self._rest:
            yield self._line(self._rest)
            self._rest = b""

    def _line(self, raw: bytes) -> Line:
        self._count += 1
        if self._count == 1:
            raw = raw.removeprefix(BYTE_ORDER_MARK)
        self._check_length(raw, self._count)
        try:
            return Line(self._count, raw.decode())
        except UnicodeDecodeError as error:
            sentence = f"is not UTF-8 text: its byte {error.start + 1} is wrong"
            raise bad_line(self._count, sentence) from None

    def _check_length(self, raw: bytes, number: int) -> None:
        if len(raw) > self._line_bytes_max:
            raise bad_line(number, f"is longer than {self._line_bytes_max} bytes")
