"""It returns more than a result may have."""

EXPECTED = ("INVALID_RESULT",)


def attack():
    return {"score": 1.0, "judge": {"reason": "x" * 20_000_000}}
