"""CSV by RFC 4180, a record at a time: quotes are strict, every value is text."""

import re
from collections.abc import Iterator

from importer.domain.dataset import DatasetError, RowLimits, bad_line
from importer.domain.lines import Line

# A field and what ends it. Where the text goes on otherwise, a quote stands in the wrong place.
_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r]*))(,|\Z)')


class CsvReader:
    """Turns lines into rows: the first record names the columns, the others are rows.

    A short row is filled up with empty texts. A blank line is no row: whoever means a single empty
    cell writes `""`.
    """

    def __init__(self, limits: RowLimits) -> None:
        self._limits = limits
        self._header: list[str] = []
        self._parts: list[str] = []
        self._begin = 0
        self._size = 0
        self._quotes = 0

    def read(self, line: Line) -> Iterator[tuple[int, dict[str, object]]]:
        """Yield the row that `line` completes, with the number of its first line.

        Raises:
            DatasetError: a quote in the wrong place, a bad header, too many cells, too long.
        """
        if not self._parts:
            if line.text in ("", "\r"):
                return
            self._begin = line.number
        self._collect(line)
        if self._quotes % 2 == 0:  # else a quoted field goes on in the next line
            record = "\n".join(self._parts).removesuffix("\r")
            self._parts, self._size, self._quotes = [], 0, 0
            yield from self._record(record)

    def end(self) -> None:
        """Say that there are no more lines.

        Raises:
            DatasetError: a quoted field was not closed.
        """
        if self._parts:
            raise bad_line(self._begin, "begins a record with a quote that is never closed")

    def _collect(self, line: Line) -> None:
        self._parts.append(line.text)
        self._size += len(line.text) + 1
        self._quotes += line.text.count('"')
        if self._size > self._limits.row_bytes:
            sentence = f"begins a record that is longer than {self._limits.row_bytes} bytes"
            raise bad_line(self._begin, f"{sentence}; perhaps a quote is not closed")

    def _record(self, record: str) -> Iterator[tuple[int, dict[str, object]]]:
        fields = self._fields(record)
        if not self._header:
            self._header = self._checked_header(fields)
            return
        missing = len(self._header) - len(fields)
        if missing < 0:
            sentence = f"has {len(fields)} cells, but there are {len(self._header)} columns"
            raise bad_line(self._begin, sentence)
        yield self._begin, dict(zip(self._header, [*fields, *[""] * missing], strict=True))

    def _fields(self, record: str) -> list[str]:
        if '"' not in record and "\r" not in record:
            return record.split(",")
        fields: list[str] = []
        position, separator = 0, ","
        while separator:
            match = _FIELD.match(record, position)
            if match is None:
                raise self._misplaced(record, len(fields) + 1)
            quoted, plain, separator = match.groups()
            fields.append(plain if quoted is None else quoted.replace('""', '"'))
            position = match.end()
        return fields

    def _misplaced(self, record: str, field: int) -> DatasetError:
        what = "a quote in the wrong place" if '"' in record else "a lone carriage return"
        return bad_line(self._begin, f"has {what} (cell {field})")

    def _checked_header(self, names: list[str]) -> list[str]:
        if len(names) > self._limits.columns:
            sentence = f"names {len(names)} columns; {self._limits.columns} are allowed"
            raise bad_line(self._begin, sentence)
        for index, name in enumerate(names, start=1):
            if not name.strip():
                raise bad_line(self._begin, f"has no name for column {index}")
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise bad_line(self._begin, f"names the column {twice[:64]!r} twice")
        return names
