"""It overflows the C stack."""

EXPECTED = ("CRASHED", "TIMEOUT", "OUT_OF_MEMORY", "GRADER_ERROR")
LIMIT_S = 10


def attack():
    import sys

    sys.setrecursionlimit(10**9)

    class Deep:
        def __getattr__(self, name):
            return getattr(self, name + "x")

    return repr(Deep().a)
