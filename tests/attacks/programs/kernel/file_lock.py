"""It locks a file that every jail shares: a channel between tenants."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "PermissionError"


def attack():
    import fcntl

    fcntl.flock(open("/usr/bin/python3", "rb"), fcntl.LOCK_EX)
