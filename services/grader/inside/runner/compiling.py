"""Compile a program once for all executions of a jail, in a child as confined as they are.

The runner neither compiles a tenant's text nor looks at what the compiler made of it: it keeps the
bytes for its children, each of which trusts them no more than the source.
"""

import marshal
import os
import select
import signal
import time
from typing import NoReturn

from grader.inside.loading import compile_program
from grader.inside.runner.child import confine
from grader.inside.runner.filters import ChildFilter

TIME_LIMIT_S = 2.0
CODE_BYTES_MAX = 8_388_608
_READ_BYTES = 65_536
_LIMITS = {
    "cpu_s": 2,
    "memory_bytes": 536_870_912,
    "file_bytes": 0,
    "descriptors": 16,
    "threads": 1,
}


def compiled(source: str, filename: str, child_filter: ChildFilter) -> bytes | None:
    """Code of a program, marshalled; None when it has no code, or none in time.

    Then each execution compiles for itself, and says what is wrong with the text.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _compile(source, filename, child_filter, writing)
    os.close(writing)
    try:
        code = _read(reading)
    finally:
        os.close(reading)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    return code if code and status == 0 else None


def _compile(source: str, filename: str, child_filter: ChildFilter, writing: int) -> NoReturn:
    try:
        _keep_only(writing)
        confine(_LIMITS, child_filter)
        unsent = memoryview(marshal.dumps(compile_program(source, filename)))
        while unsent:
            unsent = unsent[os.write(writing, unsent) :]
    finally:
        os._exit(0)


def _keep_only(descriptor: int) -> None:
    """Let go of the control socket and of the jail's log, which no tenant's text may reach.

    A warning of the compiler's goes nowhere.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))


def _read(reading: int) -> bytes:
    """All that comes until the writer ends; nothing when that is too much, or too late."""
    deadline = time.monotonic() + TIME_LIMIT_S
    content = bytearray()
    while len(content) <= CODE_BYTES_MAX:
        left_s = max(0.0, deadline - time.monotonic())
        if not select.select([reading], [], [], left_s)[0]:
            return b""
        chunk = os.read(reading, _READ_BYTES)
        if not chunk:
            return bytes(content)
        content += chunk
    return b""
