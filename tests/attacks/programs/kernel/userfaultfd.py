"""It stops the kernel in a page fault."""

EXPECTED = ("SANDBOX_VIOLATION",)


def attack():
    import ctypes

    ctypes.CDLL(None).syscall(323, 0, 0, 0, 0, 0, 0)
