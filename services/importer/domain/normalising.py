"""From the bytes of a file to rows: one JSON object a line, in bounded memory."""

from collections.abc import Callable, Iterator

from importer.domain.csv_rows import CsvReader
from importer.domain.dataset import RowFormat, bad_line
from importer.domain.json_row import RowInvalid, parse_row
from importer.domain.lines import Line, LineCutter
from importer.domain.row_writer import RowWriter

NumberedRow = tuple[int, dict[str, object]]


class Normaliser:
    """Reads a file in chunks and gives back its rows, each as a line of JSON.

    Args:
        row_format: how the rows are written.
        writer: counts the rows, also over several files.
    """

    def __init__(self, row_format: RowFormat, writer: RowWriter) -> None:
        self._lines = LineCutter(line_bytes_max=writer.limits.row_bytes)
        self._csv = CsvReader(writer.limits)
        self._read: Callable[[Line], Iterator[NumberedRow]]
        self._read = self._csv.read if row_format is RowFormat.CSV else _json_row
        self._writer = writer

    def feed(self, chunk: bytes) -> bytes:
        """Return the rows that `chunk` completes.

        Raises:
            DatasetError: a line that cannot be used.
        """
        return b"".join(self._rows(self._lines.feed(chunk)))

    def end(self) -> bytes:
        """Return the rows behind the last line feed.

        Raises:
            DatasetError: a line that cannot be used, or the file ends inside a record.
        """
        written = b"".join(self._rows(self._lines.end()))
        if not self._writer.is_full:
            self._csv.end()
        return written

    def _rows(self, lines: Iterator[Line]) -> Iterator[bytes]:
        for line in lines:
            if self._writer.is_full:
                return
            for number, row in self._read(line):
                yield self._writer.write(number, row)


def _json_row(line: Line) -> Iterator[NumberedRow]:
    if not line.text.strip(" \t\r"):
        return
    try:
        yield line.number, parse_row(line.text)
    except RowInvalid as error:
        raise bad_line(line.number, str(error)) from None
