"""It mounts a file system."""

EXPECTED = ("SANDBOX_VIOLATION",)


def attack():
    import ctypes

    ctypes.CDLL(None).syscall(165, 0, 0, 0, 0, 0, 0)
