"""The one way rows are written, whatever they were read from."""

from importer.domain.dataset import DatasetError, EmptyDataset, RowLimits, bad_line
from importer.domain.json_row import RowInvalid, write_row


class RowWriter:
    """Writes the rows of a dataset as lines of JSON and counts them.

    Args:
        max_rows: stop after so many; None takes all, up to the limit.
        limits: what is refused.
    """

    def __init__(self, *, max_rows: int | None, limits: RowLimits) -> None:
        self._max_rows = max_rows
        self._limits = limits
        self.row_count = 0

    @property
    def is_full(self) -> bool:
        """Whether `max_rows` is reached; what follows is not looked at."""
        return self._max_rows is not None and self.row_count >= self._max_rows

    @property
    def limits(self) -> RowLimits:
        """What is refused."""
        return self._limits

    @property
    def wanted(self) -> int:
        """How many more rows can be taken: up to `max_rows`, or one beyond the limit."""
        most = self._limits.row_count + 1 if self._max_rows is None else self._max_rows
        return most - self.row_count

    def write(self, number: int, row: dict[str, object]) -> bytes:
        """Return the line of a row that stands in the line or place `number` of its file.

        Raises:
            DatasetError: it cannot be used, or is one too many.
        """
        try:
            written = write_row(row)
        except RowInvalid as error:
            raise bad_line(number, str(error)) from None
        return self.take(number, written)

    def take(self, number: int, written: bytes) -> bytes:
        """Return the line of a row that is written already, without its line feed.

        Raises:
            DatasetError: it is too long, or one too many.
        """
        self._check_count()
        if len(written) >= self._limits.row_bytes:
            raise bad_line(number, f"makes a row of more than {self._limits.row_bytes} bytes")
        self.row_count += 1
        return written + b"\n"

    def check_not_empty(self) -> None:
        """Refuse a dataset of which nothing was written.

        Raises:
            EmptyDataset: there was no row at all.
        """
        if self.row_count == 0:
            raise EmptyDataset("there are no rows")

    def _check_count(self) -> None:
        if self.row_count >= self._limits.row_count:
            message = f"there are more than {self._limits.row_count} rows; set `max_rows`"
            raise DatasetError(message, row_count_max=self._limits.row_count)
