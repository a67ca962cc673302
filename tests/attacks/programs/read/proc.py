"""It looks for other processes, mounts and memory below /proc."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "FileNotFoundError"


def attack():
    return open("/proc/self/environ", "rb").read()
