"""It kills every process it may, the other samples' among them."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "AssertionError: refused"


def attack():
    import os, signal

    for pid in (-1, 0, *range(2, 300)):
        if pid != os.getpid():
            try:
                os.kill(pid, signal.SIGKILL)
            except PermissionError:
                continue
            raise SystemExit("killed somebody")
    raise AssertionError("refused")
