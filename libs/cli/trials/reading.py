"""What a person hands to a command: inline, as `@file`, or as `-` for the standard input."""

import sys
from pathlib import Path

from cli.errors import NothingGraded

_FILE_MARK = "@"
STDIN = "-"


def read_argument(value: str) -> bytes:
    """Return what an argument stands for.

    Raises:
        NothingGraded: the file that it names cannot be read.
    """
    if value == STDIN:
        return sys.stdin.buffer.read()
    if value.startswith(_FILE_MARK):
        return read_file(Path(value.removeprefix(_FILE_MARK)))
    return value.encode(errors="surrogateescape")  # a shell's bytes as they were


def read_file(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        NothingGraded: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise NothingGraded(f"{path} cannot be read: {error.strerror}.") from error


def read_lines(path: Path) -> list[tuple[int, bytes]]:
    """Return the lines of a file that are not blank, with their numbers; `-` is standard input.

    Raises:
        NothingGraded: it cannot be read.
    """
    raw = sys.stdin.buffer.read() if str(path) == STDIN else read_file(path)
    lines = enumerate(raw.split(b"\n"), start=1)
    return [(number, line) for number, line in lines if line.strip()]
