"""It asks for user 0."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "PermissionError"


def attack():
    import os

    os.setuid(0)
