"""It takes all memory in small pieces."""

EXPECTED = ("OUT_OF_MEMORY",)
LIMIT_S = 10


def attack():
    kept = None
    while True:
        kept = (kept, [])
