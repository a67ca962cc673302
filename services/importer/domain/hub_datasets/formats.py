"""How the files of a repository are written, as far as their names tell."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class FileFormat(StrEnum):
    """A format that can be read; the order says which is taken when there are as many of two."""

    PARQUET = "parquet"
    JSON = "json"
    CSV = "csv"


READABLE = ".parquet, .jsonl, .ndjson, .json, .csv, and the last four with .gz"
_SUFFIXES = {
    ".parquet": FileFormat.PARQUET,
    ".jsonl": FileFormat.JSON,
    ".ndjson": FileFormat.JSON,
    ".json": FileFormat.JSON,
    ".csv": FileFormat.CSV,
}
_GZIP = ".gz"


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the rows of a file are written, and whether they are compressed as a whole."""

    format: FileFormat
    is_gzip: bool = False


def encoding_of(path: str) -> Encoding | None:
    """Tell how a file is written by its name; None for what cannot be read."""
    name = path.lower()
    plain = name.removesuffix(_GZIP)
    found = next((kind for suffix, kind in _SUFFIXES.items() if plain.endswith(suffix)), None)
    is_gzip = plain != name
    if found is None or (is_gzip and found is FileFormat.PARQUET):
        return None
    return Encoding(found, is_gzip)


def of_main_format(paths: Iterable[str]) -> list[str]:
    """Return the paths of the format most files have; without what cannot be read.

    A repository that has its rows in two formats has them twice.
    """
    encodings = {path: encoding for path in paths if (encoding := encoding_of(path))}
    counts = Counter(encoding.format for encoding in encodings.values())
    main = max(FileFormat, key=lambda kind: counts[kind])  # the first of those with as many
    return [path for path, encoding in encodings.items() if encoding.format is main]
