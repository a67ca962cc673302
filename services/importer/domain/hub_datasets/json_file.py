"""A `.json` file: one array of objects, or one object a line."""

import codecs
import json
import re
from collections.abc import Iterator
from enum import Enum

from importer.domain.dataset import DatasetError, RowFormat
from importer.domain.json_row import RowInvalid, object_at
from importer.domain.lines import BYTE_ORDER_MARK
from importer.domain.normalising import Normaliser
from importer.domain.row_writer import RowWriter

_SPACE = re.compile(r"[ \t\r\n]*")


class JsonFile:
    """Reads either form, told apart by the first character; rows of an array are counted from 1.

    Args:
        writer: counts the rows, also over several files.
    """

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer
        self._reader: Normaliser | _Array | None = None
        self._begin = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the rows that `chunk` completes.

        Raises:
            DatasetError: a row that cannot be used.
        """
        if self._reader is not None:
            return self._reader.feed(chunk)
        self._begin += chunk
        text = self._begin.removeprefix(BYTE_ORDER_MARK).lstrip()
        if not text:
            return b""
        is_array = text.startswith(b"[")
        self._reader = _Array(self._writer) if is_array else self._lines()
        begin, self._begin = self._begin, b""
        return self._reader.feed(text if is_array else begin)

    def end(self) -> bytes:
        """Return the rows behind the last chunk.

        Raises:
            DatasetError: a row that cannot be used, or the file ends inside one.
        """
        return (self._reader or self._lines()).end()

    def _lines(self) -> Normaliser:
        return Normaliser(RowFormat.JSONL, self._writer)


class _Place(Enum):
    """Where in an array a reader stands."""

    BEFORE = "before it"
    OPENED = "behind its bracket"
    ROW = "behind a row"
    COMMA = "behind a comma"
    CLOSED = "behind it"


class _Array:
    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._number = 1
        self._place = _Place.BEFORE

    def feed(self, chunk: bytes) -> bytes:
        try:
            self._text += self._decoder.decode(chunk)
        except UnicodeDecodeError:
            raise self._bad("is not UTF-8 text") from None
        written = b"".join(self._rows())
        # What is held is the beginning of one row.
        if len(self._text) > self._writer.limits.row_bytes and not self._writer.is_full:
            most = self._writer.limits.row_bytes
            raise self._bad(f"is not valid JSON, or longer than {most} bytes")
        return written

    def end(self) -> bytes:
        if self._place is not _Place.CLOSED and not self._writer.is_full:
            raise self._bad("is cut off: the file ends inside the array")
        return b""

    def _rows(self) -> Iterator[bytes]:
        position = _after_space(self._text, 0)
        while position < len(self._text) and not self._writer.is_full:
            if self._text[position] == "{" and self._place in (_Place.OPENED, _Place.COMMA):
                found = self._object(position)
                if found is None:
                    break
                row, position = found
                yield self._writer.write(self._number, row)
                self._number += 1
                self._place = _Place.ROW
            else:
                self._place = self._behind(self._text[position])
                position += 1
            position = _after_space(self._text, position)
        self._text = self._text[position:]

    def _object(self, position: int) -> tuple[dict[str, object], int] | None:
        try:
            return object_at(self._text, position)
        except RowInvalid as error:
            raise self._bad(str(error)) from None
        except json.JSONDecodeError:  # perhaps its end has not come yet
            return None

    def _behind(self, character: str) -> _Place:
        match self._place, character:
            case (_Place.BEFORE, "["):
                return _Place.OPENED
            case (_Place.ROW, ","):
                return _Place.COMMA
            case (_Place.OPENED | _Place.ROW, "]"):
                return _Place.CLOSED
            case _:
                raise self._bad("is not a JSON object in an array of them")

    def _bad(self, sentence: str) -> DatasetError:
        return DatasetError(f"row {self._number} {sentence}", row=self._number)


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position
