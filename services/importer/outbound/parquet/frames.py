"""What the two ends of the pipe say to each other.

The worker writes frames: a header of a kind and two numbers, and for some kinds a payload. A range
it asks for is answered with exactly its bytes; nothing else goes to the worker.
"""

import struct
from dataclasses import asdict, dataclass
from enum import Enum

import orjson

HEADER = struct.Struct(">cQQ")


class Kind(bytes, Enum):
    """What a frame says."""

    RANGE = b"R"  # first byte, byte behind the last: please send these
    ROWS = b"L"  # number of the first row, length: rows as JSON, one a line
    REFUSED = b"X"  # 0, length: the file cannot be used, and why
    FAILED = b"!"  # 0, length: this machine cannot do the work, and why
    END = b"."  # there are no more rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a worker is told.

    Attributes:
        size_bytes: length of the file.
        row_count: how many rows are wanted at most.
        row_bytes: a longer row is refused.
        columns: more are refused.
        address: where files lie that rows only name.
        memory_bytes: what the worker may use for itself.
    """

    size_bytes: int
    row_count: int
    row_bytes: int
    columns: int
    address: str
    memory_bytes: int

    def text(self) -> str:
        """Return the order as an argument of the worker's command."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def read(cls, text: str) -> "Order":
        """Read what `text` wrote."""
        return cls(**orjson.loads(text))
