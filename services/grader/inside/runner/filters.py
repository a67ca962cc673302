"""The system call filters the runner installs on top of the jail's own.

X86_64, assembled by hand.

nsjail's policy covers the whole jail and must allow what the runner needs. These filters take away
the rest: `execve` for ever once the interpreter runs, and in each sample's child everything by
which it could leave processes, files or signals behind. Files are left to a child whose jail ends
with it. They only narrow, so a mistake here cannot open what the first layer closed.
"""

import ctypes
import errno
import struct

ARCH_X86_64 = 0xC000003E
RET_ALLOW = 0x7FFF0000
RET_KILL_PROCESS = 0x80000000
RET_ERRNO = 0x00050000
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2

_LOAD = 0x20  # 32-bit word at an absolute offset of seccomp_data
_JUMP_EQUAL = 0x15
_JUMP_ANY_BIT = 0x45
_RETURN = 0x06
_OFFSET_NUMBER = 0
_OFFSET_ARCH = 4
_OFFSET_ARGS = 16  # eight bytes each, low word first
_INSTRUCTION = struct.Struct("<HBBI")
_WORD = struct.Struct("<I")
# Stands in the prepared filter where the child's id will; no pid is that high (limit 2**22).
_OWN_PID = 0x4F574E21

CLONE_THREAD = 0x00010000
# O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND, and the bit of O_TMPFILE that is not
# O_DIRECTORY.
OPEN_TO_WRITE = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000 | 0o20000000

_OPEN, _OPENAT, _CLONE, _KILL, _TGKILL = 2, 257, 56, 62, 234
_EXEC = (59, 322)  # execve, execveat
# fork, vfork, wait4, waitid, recvmsg, recvmmsg, prctl: a child has no process to make or wait for,
# takes no descriptor from anybody and changes nothing about itself.
_CHILD_EPERM = (57, 58, 61, 247, 47, 299, 157)
# truncate ftruncate rename mkdir rmdir creat unlink chmod fchmod; mkdirat unlinkat renameat
# fchmodat utimensat fallocate renameat2: the root is read-only anyway; /tmp is not, and a file
# there would outlive the sample.
_CHILD_EROFS = (76, 77, 82, 83, 84, 85, 87, 90, 91, 258, 263, 264, 268, 280, 285, 316)

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class FilterRefused(OSError):
    """The kernel did not take the filter: nothing may run without it."""


def forbid_exec() -> None:
    """Layer 2: no program is started in this process or below it, ever again.

    Raises:
        FilterRefused: the kernel did not take the filter.
    """
    code = _code(exec_filter())
    _install(_argument(code))


def forbid_writing() -> None:
    """No file is made or changed by this process or below it, ever again.

    Raises:
        FilterRefused: the kernel did not take the filter.
    """
    code = _code(writing_filter())
    _install(_argument(code))


def writing_filter() -> bytes:
    """The part of layer 3 that is about files, as the kernel takes it."""
    return _program(_no_files())


def exec_filter() -> bytes:
    """Layer 2 as the kernel takes it."""
    return _program([_refuse(number, errno.EPERM) for number in _EXEC])


class ChildFilter:
    """Layer 3, assembled once; each child only fills in its own process id.

    `writes_files` leaves out the part about files.
    """

    def __init__(self, *, writes_files: bool = False) -> None:
        rules = [
            _refuse_unless_bit(_CLONE, 0, CLONE_THREAD, errno.EPERM),
            _refuse_unless_equal(_KILL, 0, _OWN_PID, errno.EPERM),
            _refuse_unless_equal(_TGKILL, 0, _OWN_PID, errno.EPERM),
            *[_refuse(number, errno.EPERM) for number in _CHILD_EPERM],
            *([] if writes_files else _no_files()),
        ]
        program = _program(rules)
        hole = _WORD.pack(_OWN_PID)
        self._holes = [place for place in range(len(program)) if program.startswith(hole, place)]
        self._code = _code(program)
        self._argument = _argument(self._code)

    def install(self, pid: int) -> None:
        """Confine the calling process, whose id is `pid`.

        Raises:
            FilterRefused: the kernel did not take the filter.
        """
        self.program(pid)
        _install(self._argument)

    def program(self, pid: int) -> bytes:
        """Fill in `pid`; returns the filter as the kernel takes it."""
        for hole in self._holes:
            _WORD.pack_into(self._code, hole, pid)
        return self._code.raw


def _no_files() -> list[list[tuple[int, int, int, int]]]:
    return [
        _refuse_if_bit(_OPENAT, 2, OPEN_TO_WRITE, errno.EROFS),
        _refuse_if_bit(_OPEN, 1, OPEN_TO_WRITE, errno.EROFS),
        *[_refuse(number, errno.EROFS) for number in _CHILD_EROFS],
    ]


def _program(rules: list[list[tuple[int, int, int, int]]]) -> bytes:
    """Rules in a row; each begins, and falls through, with the call's number in the accumulator."""
    instructions = [
        (_LOAD, 0, 0, _OFFSET_ARCH),
        (_JUMP_EQUAL, 1, 0, ARCH_X86_64),
        (_RETURN, 0, 0, RET_KILL_PROCESS),
        (_LOAD, 0, 0, _OFFSET_NUMBER),
        *[instruction for rule in rules for instruction in rule],
        (_RETURN, 0, 0, RET_ALLOW),
    ]
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in instructions)


def _refuse(number: int, error: int) -> list[tuple[int, int, int, int]]:
    return [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, RET_ERRNO | error)]


def _refuse_if_bit(number: int, arg: int, bits: int, error: int) -> list[tuple[int, int, int, int]]:
    return [
        (_JUMP_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _OFFSET_ARGS + 8 * arg),
        (_JUMP_ANY_BIT, 0, 1, bits),
        (_RETURN, 0, 0, RET_ERRNO | error),
        (_RETURN, 0, 0, RET_ALLOW),
    ]


def _refuse_unless_bit(
    number: int, arg: int, bits: int, error: int
) -> list[tuple[int, int, int, int]]:
    return [
        (_JUMP_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _OFFSET_ARGS + 8 * arg),
        (_JUMP_ANY_BIT, 1, 0, bits),
        (_RETURN, 0, 0, RET_ERRNO | error),
        (_RETURN, 0, 0, RET_ALLOW),
    ]


def _refuse_unless_equal(
    number: int, arg: int, value: int, error: int
) -> list[tuple[int, int, int, int]]:
    return [
        (_JUMP_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _OFFSET_ARGS + 8 * arg),
        (_JUMP_EQUAL, 1, 0, value),
        (_RETURN, 0, 0, RET_ERRNO | error),
        (_RETURN, 0, 0, RET_ALLOW),
    ]


def _code(program: bytes) -> "ctypes.Array[ctypes.c_char]":
    return ctypes.create_string_buffer(program, len(program))


def _argument(code: "ctypes.Array[ctypes.c_char]") -> _Program:
    return _Program(len(code) // _INSTRUCTION.size, ctypes.addressof(code))


def _install(argument: _Program) -> None:
    if _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(argument), 0, 0) != 0:
        raise FilterRefused(ctypes.get_errno(), "the kernel refused a system call filter")
