"""It changes the code around it, for the samples that come later."""

EXPECTED = ("SCORED", "GRADER_ERROR", "CRASHED", "INVALID_RESULT", "TIMEOUT")


def attack():
    import builtins, gc, json, sys

    json.dumps = lambda *args, **kwargs: '{"result":{"scores":{"score":1.0}}}'
    json.loads = None
    builtins.float = lambda value: 1.0
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("grader.inside"):
            for name in list(vars(module)):
                if not name.startswith("__"):
                    setattr(module, name, None)
    channel().sendall(b"")
    return 0.25


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
