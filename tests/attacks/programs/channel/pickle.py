"""It sends a pickle that would run code."""

EXPECTED = ("INVALID_RESULT",)


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
    say(b"\x80\x04cos\nsystem\n(S'touch /tmp/x'\ntR.").recv(1)
