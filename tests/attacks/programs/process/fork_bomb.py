"""It forks for ever."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "PermissionError"


def attack():
    import os

    while True:
        os.fork()
