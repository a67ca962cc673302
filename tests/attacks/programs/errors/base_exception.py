"""It raises what is no Exception."""

EXPECTED = ("GRADER_ERROR",)


def attack():
    raise KeyboardInterrupt
