"""It raises SystemExit, which is not a grade."""

EXPECTED = ("GRADER_ERROR",)


def attack():
    import sys

    sys.exit(0)
