"""It prints without end."""

EXPECTED = ("OUTPUT_LIMIT",)


def attack():
    while True:
        print("x" * 65_536)
