"""It opens a performance counter."""

EXPECTED = ("SANDBOX_VIOLATION",)


def attack():
    import ctypes

    ctypes.CDLL(None).syscall(298, 0, 0, 0, 0, 0, 0)
