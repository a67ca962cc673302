"""It fills the disk."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "OSError"


def attack():
    with open("/tmp/full", "wb") as file:
        while True:
            file.write(bytes(1_000_000))
