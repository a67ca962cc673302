"""It passes a descriptor to the service over its own channel."""

EXPECTED = ("GRADER_ERROR",)
SHOWS = "PermissionError"


def channel():
    import os, socket, stat

    for fd in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, os.dup(fd))
        except OSError:
            pass


def say(raw):
    stream = channel()
    stream.sendall(len(raw).to_bytes(4, "big") + raw)
    return stream


def attack():
    import array, socket

    channel().sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1]))])
