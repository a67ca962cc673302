"""What the log of a process that did not start tells a person."""

import json
import os
import re
from contextlib import suppress
from itertools import islice, takewhile
from pathlib import Path

TAIL_BYTES = 64_000  # holds several tracebacks, and what a server says while it starts
LINES = 5
LINE_CHARS = 500

_TRACEBACK = "Traceback (most recent call last)"
# Groups of exceptions draw a frame of bars and dashes around their members.
_FRAME_OR_EVENT = re.compile(r" *[|+{]")
_EXCEPTION = re.compile(r"[ |]*((?:\w+\.)*[A-Z]\w*: .+)")


def tail(path: Path, *, begin: int = 0) -> str:
    """Return the end of a log file from `begin` on, whole lines; empty when there is none."""
    with suppress(OSError), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(begin, size - TAIL_BYTES)
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
        return "\n".join((lines[1:] or lines) if start > begin else lines)
    return ""


def last_words(log: str) -> str:
    """Return the last exception with the lines of its message, else the last few lines."""
    lines = [plain for line in log.splitlines() for plain in _plain(line)]
    if any(_TRACEBACK in line for line in lines):
        for place in reversed(range(len(lines))):
            if named := _EXCEPTION.fullmatch(lines[place]):
                return "\n".join([named[1], *_rest_of_message(lines[place + 1 :])])
    return "\n".join(line[:LINE_CHARS] for line in lines[-LINES:])


def _rest_of_message(lines: list[str]) -> list[str]:
    """Return the lines that go on with a message, such as the settings that are wrong."""
    rest = takewhile(lambda line: line.strip() and not _FRAME_OR_EVENT.match(line), lines)
    return [line[:LINE_CHARS] for line in islice(rest, LINES - 1)]


def _plain(line: str) -> list[str]:
    """Return the traceback in a JSON log line, and where it ends; every other line as it is."""
    with suppress(ValueError):
        event = json.loads(line)
        if isinstance(event, dict) and "exception" in event:
            return [*str(event["exception"]).splitlines(), ""]
    return [line]
