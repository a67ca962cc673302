"""It looks for descriptors that the runner forgot."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "AssertionError: 1"


def attack():
    import os

    found = []
    for fd in range(3, 256):
        try:
            os.fstat(fd)
        except OSError:
            continue
        found.append(fd)
    raise AssertionError(len(found))
