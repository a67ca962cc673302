"""What an execution starts from, and what it may leave behind."""

from enum import StrEnum


class Isolation(StrEnum):
    """How executions of one program are kept apart; values as in the manifest.

    `FRESH`: each is forked from a runner that never ran the program, and loads it for itself.
    `PRELOAD`: each is forked from a runner that has run the program's module body.
    `FILES`: each has a jail of its own, ended after it, in which it may write in `/tmp`.
    """

    FRESH = "fresh"
    PRELOAD = "preload"
    FILES = "files"
