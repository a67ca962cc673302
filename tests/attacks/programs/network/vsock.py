"""It asks for AF_VSOCK, which no network namespace confines."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "PermissionError"


def attack():
    import socket

    socket.socket(40, socket.SOCK_STREAM)
