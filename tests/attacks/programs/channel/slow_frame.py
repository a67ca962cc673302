"""It announces a frame and sends it byte by byte, for ever."""

EXPECTED = ("TIMEOUT",)


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
    import time

    stream = channel()
    stream.sendall(b"\x00\x00\xff\xff")
    while True:
        stream.sendall(b" ")
        time.sleep(0.01)
