"""It makes folders without end."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "OSError"


def attack():
    import os

    for place in range(1_000_000):
        os.mkdir(f"/tmp/{place}")
