"""From the bytes of a file to rows: one JSON object a line, in bounded memory."""

from collections.abc import Callable, Iterator

from importer.domain.csv_rows import CsvReader
from importer.domain.dataset import DatasetError, EmptyDataset, RowFormat, RowLimits, bad_line
from importer.domain.json_row import RowInvalid, parse_row, write_row
from importer.domain.lines import Line, LineCutter

NumberedRow = tuple[int, dict[str, object]]


class Normaliser:
    """Reads a file in chunks and gives back its rows, each as a line of JSON.

    Args:
        row_format: how the rows are written.
        max_rows: stop after so many; None takes all, up to the limit.
        limits: what is refused.
    """

    def __init__(self, row_format: RowFormat, *, max_rows: int | None, limits: RowLimits) -> None:
        self._lines = LineCutter(line_bytes_max=limits.row_bytes)
        self._csv = CsvReader(limits)
        self._read: Callable[[Line], Iterator[NumberedRow]]
        self._read = self._csv.read if row_format is RowFormat.CSV else _json_row
        self._max_rows = max_rows
        self._limits = limits
        self.row_count = 0

    @property
    def is_full(self) -> bool:
        """Whether `max_rows` is reached; what follows in the file is not looked at."""
        return self._max_rows is not None and self.row_count >= self._max_rows

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
            EmptyDataset: there was no row at all.
        """
        written = b"".join(self._rows(self._lines.end()))
        if not self.is_full:
            self._csv.end()
        if self.row_count == 0:
            raise EmptyDataset("there are no rows")
        return written

    def _rows(self, lines: Iterator[Line]) -> Iterator[bytes]:
        for line in lines:
            if self.is_full:
                return
            for number, row in self._read(line):
                self._check_count()
                yield self._written(number, row)
                self.row_count += 1

    def _check_count(self) -> None:
        if self.row_count >= self._limits.row_count:
            message = f"there are more than {self._limits.row_count} rows; set `max_rows`"
            raise DatasetError(message, row_count_max=self._limits.row_count)

    def _written(self, number: int, row: dict[str, object]) -> bytes:
        try:
            written = write_row(row) + b"\n"
        except RowInvalid as error:
            raise bad_line(number, str(error)) from None
        if len(written) > self._limits.row_bytes:
            raise bad_line(number, f"makes a row of more than {self._limits.row_bytes} bytes")
        return written


def _json_row(line: Line) -> Iterator[NumberedRow]:
    if not line.text.strip(" \t\r"):
        return
    try:
        yield line.number, parse_row(line.text)
    except RowInvalid as error:
        raise bad_line(line.number, str(error)) from None
