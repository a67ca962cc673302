"""It makes a file in memory, which could be executed."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "PermissionError"


def attack():
    import os

    os.memfd_create("x")
