"""It reads a file of the host."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "FileNotFoundError"


def attack():
    return open("/etc/passwd").read()
