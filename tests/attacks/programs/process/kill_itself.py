"""It kills itself, which must not read as our kill."""

EXPECTED = ("CRASHED",)


def attack():
    import os, signal

    os.kill(os.getpid(), signal.SIGKILL)
