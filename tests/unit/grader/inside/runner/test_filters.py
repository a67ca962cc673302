"""The assembled filters, run by a small interpreter of the kernel's filter machine."""

import errno
import platform
import struct

import pytest

from grader.inside.runner.filters import (
    ARCH_X86_64,
    CLONE_THREAD,
    ChildFilter,
    exec_filter,
    writing_filter,
)

ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSED, READ_ONLY = 0x50000 | errno.EPERM, 0x50000 | errno.EROFS
PID = 4_711

OPEN, CLONE, EXECVE, WAIT4, KILL_CALL, MKDIR, OPENAT, RECVMSG, TGKILL = (
    *(2, 56, 59, 61, 62),
    *(83, 257, 47, 234),
)

# Calls that make or change a file.
CHANGES = [76, 77, 82, MKDIR, 84, 87, 90, 258, 263, 264, 280, 285, 316]


def run(program: bytes, number: int, *args: int, arch: int = ARCH_X86_64) -> int:
    """What the kernel would answer to a system call."""
    filled = (*args, *[0] * (6 - len(args)))
    facts = struct.pack("<IIQ6Q", number, arch, 0, *filled)
    code = list(struct.iter_unpack("<HBBI", program))
    accumulator, place = 0, 0
    while True:
        operation, on_true, on_false, value = code[place]
        place += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", facts, value)
            case 0x15:
                place += on_true if accumulator == value else on_false
            case 0x45:
                place += on_true if accumulator & value else on_false
            case 0x06:
                return int(value)
            case _:
                pytest.fail(f"unknown operation {operation:#x}")


@pytest.fixture(scope="module")
def child() -> bytes:
    return ChildFilter().program(PID)


@pytest.fixture(scope="module")
def writing_child() -> bytes:
    return ChildFilter(writes_files=True).program(PID)


@pytest.mark.parametrize("number", [59, 322])
def test_no_program_is_started(number: int) -> None:
    assert run(exec_filter(), number) == REFUSED
    assert run(exec_filter(), 0) == ALLOW


def test_a_child_may_make_threads_but_no_processes(child: bytes) -> None:
    assert run(child, CLONE, CLONE_THREAD | 0x3D0F00) == ALLOW
    assert run(child, CLONE, 17) == REFUSED
    assert run(child, CLONE, 17 | CLONE_THREAD << 32) == REFUSED
    assert run(child, 57) == REFUSED
    assert run(child, 58) == REFUSED


@pytest.mark.parametrize("number", [KILL_CALL, TGKILL])
def test_a_child_may_signal_itself_alone(child: bytes, number: int) -> None:
    assert run(child, number, PID, 9) == ALLOW
    for other in (1, 0, 2**32 - 1, PID + 1):
        assert run(child, number, other, 9) == REFUSED


@pytest.mark.parametrize("flags", [0o1, 0o2, 0o100, 0o1000, 0o2000, 0o20200000])
def test_a_child_opens_nothing_to_write(child: bytes, flags: int) -> None:
    assert run(child, OPENAT, 0, 0, flags) == READ_ONLY
    assert run(child, OPEN, 0, flags) == READ_ONLY


def test_a_child_may_read(child: bytes) -> None:
    for flags in (0, 0o2000000, 0o200000):
        assert run(child, OPENAT, 0, 0, flags) == ALLOW
        assert run(child, OPEN, 0, flags) == ALLOW
    assert run(child, 0) == ALLOW


@pytest.mark.parametrize("number", CHANGES)
def test_a_child_changes_no_file(child: bytes, number: int) -> None:
    assert run(child, number) == READ_ONLY


@pytest.mark.parametrize("number", [WAIT4, 247, RECVMSG, 299, 157])
def test_a_child_waits_for_nobody_and_takes_no_descriptor(child: bytes, number: int) -> None:
    assert run(child, number) == REFUSED


@pytest.mark.parametrize("number", CHANGES)
def test_a_child_with_files_changes_them(writing_child: bytes, number: int) -> None:
    assert run(writing_child, number) == ALLOW
    assert run(writing_child, OPENAT, 0, 0, 0o101) == ALLOW
    assert run(writing_child, OPEN, 0, 0o101) == ALLOW


def test_a_child_with_files_has_no_other_right(writing_child: bytes) -> None:
    assert run(writing_child, CLONE, 17) == REFUSED
    for number in (57, 58, WAIT4, 247, RECVMSG, 299, 157):
        assert run(writing_child, number) == REFUSED
    for number in (KILL_CALL, TGKILL):
        assert run(writing_child, number, 1, 9) == REFUSED


@pytest.mark.parametrize("number", CHANGES)
def test_a_runner_that_runs_a_program_changes_no_file(number: int) -> None:
    assert run(writing_filter(), number) == READ_ONLY
    assert run(writing_filter(), OPENAT, 0, 0, 0o101) == READ_ONLY
    assert run(writing_filter(), OPENAT, 0, 0, 0) == ALLOW
    assert run(writing_filter(), CLONE, 17) == ALLOW


def test_another_instruction_set_is_killed(child: bytes) -> None:
    assert run(child, 0, arch=0x40000003) == KILL
    assert run(writing_filter(), 0, arch=0x40000003) == KILL
    assert run(exec_filter(), 0, arch=0x40000003) == KILL


@pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of x86_64")
def test_the_filter_fits_what_the_kernel_takes(child: bytes) -> None:
    assert len(child) // 8 < 4_096
