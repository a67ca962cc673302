"""It makes a Unix socket, whose abstract names cross mount namespaces."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "PermissionError"


def attack():
    import socket

    socket.socket(socket.AF_UNIX).connect("\0/tmp/.X11-unix/X0")
