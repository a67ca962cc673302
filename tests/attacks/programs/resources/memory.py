"""It takes all memory in large pieces."""

EXPECTED = ("OUT_OF_MEMORY",)
LIMIT_S = 10


def attack():
    kept = []
    while True:
        kept.append(bytearray(50_000_000))
