"""A dataset: where it comes from, what it becomes, and how it can fail."""

from dataclasses import dataclass
from enum import StrEnum

from servicekit.errors import Kind, ServiceError


class RowFormat(StrEnum):
    """How rows are written in a file."""

    JSONL = "jsonl"
    CSV = "csv"
    HUB = "hub"
    """The files of a hub dataset, each in its own format."""


class DatasetError(ServiceError):
    """The rows cannot be used as they are; the message says what is wrong and in which line."""

    kind = Kind.INVALID_ARGUMENT
    reason = "DATASET_ERROR"


class EmptyDataset(ServiceError):
    """There is not a single row."""

    kind = Kind.INVALID_ARGUMENT
    reason = "EMPTY_DATASET"


class DatasetRaced(ServiceError):
    """The same rows were removed while they were made; a repeat will do."""

    kind = Kind.UNAVAILABLE
    reason = "DATASET_RACED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSource:
    """What rows are made of; the same source gives the same rows.

    Attributes:
        sha256: digest of the file's content, or of all that names a dataset of the hub.
        row_format: how its rows are written.
        max_rows: only the first so many; None for all.
    """

    sha256: str
    row_format: RowFormat
    max_rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows at rest: the blob `sha256` has `row_count` JSON objects, one a line."""

    sha256: str
    row_count: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLimits:
    """What one dataset may ask of the machine.

    Attributes:
        row_bytes: longest row, as it is written in the file and as it is stored.
        row_count: most rows of a dataset that has no `max_rows`.
        total_bytes: longest blob of rows.
        columns: most columns of a CSV file; each row repeats all their names.
    """

    row_bytes: int = 4 * 1024 * 1024  # a batch of rows must fit a 16 MiB message with its prompts
    row_count: int = 1_000_000  # contract D.11
    total_bytes: int = 2 * 1024**3
    columns: int = 10_000


def bad_line(line: int, sentence: str) -> DatasetError:
    """Return the error that says what is wrong with a line, counted from 1."""
    return DatasetError(f"line {line} {sentence}", line=line)
