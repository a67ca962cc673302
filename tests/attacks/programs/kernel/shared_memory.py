"""It makes System V shared memory, which outlives processes."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "(-1, 1)"


def attack():
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    raise AssertionError(libc.shmget(0, 4096, 0o1666), ctypes.get_errno())
