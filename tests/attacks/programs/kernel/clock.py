"""It sets the clock."""

EXPECTED = ("SANDBOX_VIOLATION",)


def attack():
    import ctypes

    ctypes.CDLL(None).syscall(227, 0, 0, 0, 0, 0, 0)
