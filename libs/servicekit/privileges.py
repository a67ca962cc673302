"""What a process gives up for good, so that a neighbour or a hostile file gains less from it."""

import ctypes
import os

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_CAPABILITIES_VERSION = 0x20080522  # 64 capabilities, in two halves of three words


def hide_memory() -> None:
    """Close this process's memory, environment and open files to all but root.

    A process that it starts, or a neighbour with the same user id, can no longer attach to it, nor
    read `/proc/PID/mem` or `/proc/PID/environ`; the kernel writes no core file. It lasts until
    another program is executed in its place.

    Raises:
        OSError: the kernel does not let it.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def drop_privileges() -> None:
    """Give up all capabilities, and gain none by executing a program.

    Who was root keeps root's user id, and with it root's files, but no right over other processes.

    Raises:
        OSError: the kernel does not let it.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()
    _check(ctypes.CDLL(None, use_errno=True).capset(header, none))


def _prctl(option: int, value: int) -> None:
    _check(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0))


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
