"""It reads address zero."""

EXPECTED = ("CRASHED",)


def attack():
    import ctypes

    ctypes.string_at(0)
