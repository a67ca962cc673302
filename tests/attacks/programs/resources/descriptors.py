"""It opens files until it cannot, and still owes a result."""

EXPECTED = ("SCORED",)
SCORE = 0.25


def attack():
    kept = []
    while True:
        try:
            kept.append(open("/dev/null"))
        except OSError:
            return 0.25
