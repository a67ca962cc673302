"""It prints without end, to the other pipe and past Python."""

EXPECTED = ("OUTPUT_LIMIT",)


def attack():
    import os

    while True:
        os.write(2, b"x" * 65_536)
