"""It makes a pair of sockets of another kind, which could be given an address."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "PermissionError"


def attack():
    import socket

    socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
