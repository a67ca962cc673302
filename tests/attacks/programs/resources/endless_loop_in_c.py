"""One call into C holds the interpreter and never looks at signals."""

EXPECTED = ("TIMEOUT",)


def attack():
    import itertools

    return sum(1 for _ in ()) or all(itertools.repeat(True))
