"""It stores a key in a keyring; those belong to no namespace."""

EXPECTED = ("SANDBOX_VIOLATION",)


def attack():
    import ctypes

    ctypes.CDLL(None).syscall(248, 0, 0, 0, 0, 0, 0)
