"""It starts a program."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "PermissionError"


def attack():
    import os

    os.execv("/usr/bin/python3", ["python3", "-c", "print(1)"])
