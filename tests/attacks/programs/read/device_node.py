"""It makes a node of the host's first disk."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "PermissionError"


def attack():
    import os

    os.mknod("/tmp/disk", 0o060600, os.makedev(254, 0))
