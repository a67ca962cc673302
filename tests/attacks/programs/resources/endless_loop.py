"""It never returns."""

EXPECTED = ("TIMEOUT",)


def attack():
    while True:
        pass
