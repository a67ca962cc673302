"""What an API key may do."""

from enum import StrEnum


class Scope(StrEnum):
    """One permission of a key; none implies another."""

    READ_EVALS = "read:evals"
    WRITE_EVALS = "write:evals"
    READ_FILES = "read:files"
    WRITE_FILES = "write:files"
