"""It attaches to the runner."""

EXPECTED = ("SANDBOX_VIOLATION",)


def attack():
    import ctypes

    ctypes.CDLL(None).ptrace(16, 1, 0, 0)
