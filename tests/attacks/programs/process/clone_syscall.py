"""It calls fork and clone by number, past the C library."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "[(-1, 1), (-1, 1), (-1, 1), (-1, 38)]"


def attack():
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    outcomes = []
    for number, flags in ((57, 0), (58, 0), (56, 17), (435, 0)):
        outcomes.append((libc.syscall(number, flags, 0, 0, 0, 0), ctypes.get_errno()))
    raise AssertionError(outcomes)
