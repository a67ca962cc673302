"""It ends with status 0 and no result, which must not read as success."""

EXPECTED = ("CRASHED",)


def attack():
    import os

    os._exit(0)
