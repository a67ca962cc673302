"""It loads a program into the kernel."""

EXPECTED = ("SANDBOX_VIOLATION",)


def attack():
    import ctypes

    ctypes.CDLL(None).syscall(321, 0, 0, 0, 0, 0, 0)
