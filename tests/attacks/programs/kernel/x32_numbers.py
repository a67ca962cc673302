"""It calls by the numbers of another ABI."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "(-1, 38)"


def attack():
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    raise AssertionError(libc.syscall(0x40000000 + 101, 16, 1, 0, 0), ctypes.get_errno())
