"""It asks for netlink, a wide way into the kernel."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "PermissionError"


def attack():
    import socket

    socket.socket(16, socket.SOCK_RAW)
