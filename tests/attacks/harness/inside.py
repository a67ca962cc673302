"""Names that every attacking grader has at hand: text put before its source, never imported."""

import ctypes
import os
import stat
import struct
import time

Row = dict[str, object]

_libc = ctypes.CDLL(None, use_errno=True)


def syscall(number: int, *arguments: object) -> int:
    """Make a system call; a refusal is an OSError."""
    passed = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    _libc.syscall.restype = ctypes.c_long
    result: int = _libc.syscall(ctypes.c_long(number), *passed)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def channel_fd() -> int:
    """Find the descriptor of this execution's socket to the host."""
    for descriptor in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                return descriptor
        except OSError:
            continue
    raise LookupError("no socket")


def send(payload: bytes) -> None:
    """Write a frame to the host, whatever it holds."""
    rest = struct.pack(">I", len(payload)) + payload
    while rest:
        rest = rest[os.write(channel_fd(), rest) :]


def forge(score: bytes) -> None:
    """Claim a result without the runner."""
    send(b'{"result":{"outcome":"scored","scores":{"score":%b}}}' % score)


def attack(sample: Row, item: Row, ctx: object) -> object:
    """Do the act."""
    return False


def probe() -> bool:
    """Look for traces of the sample before."""
    return False


def grade(sample: Row, item: Row, ctx: object) -> object:
    """Grade by the role that the row gives."""
    if item["role"] == "sibling":
        time.sleep(0.1)
        return 0.5 if sum(range(1000)) == 499_500 else 0.0
    if item["role"] == "next":
        return 1.0 if probe() else 0.25
    try:
        return attack(sample, item, ctx)
    except OSError:
        return False
