"""It makes a user namespace, in which it would be root."""

EXPECTED = ("SANDBOX_VIOLATION",)


def attack():
    import ctypes

    ctypes.CDLL(None).unshare(0x10000000)
