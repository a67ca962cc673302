"""It kills the runner."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "PermissionError"


def attack():
    import os, signal

    os.kill(1, signal.SIGKILL)
