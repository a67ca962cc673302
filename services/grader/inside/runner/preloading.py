"""Run a program's module body in the runner itself, so that every execution starts after it.

From then on the runner is the program's own: the host takes it for hostile, and gives it nothing
but samples of the run that asked for this.
"""

import gc
import os
import resource
import signal
import sys
from types import ModuleType

from grader.inside.loading import load_program
from grader.inside.runner.channel import Frame
from grader.inside.runner.filters import forbid_writing

# What the runner needs beside what the body may use, to go on when the body has used it all.
OWN_BYTES = 67_108_864


class NotPreloadable(Exception):
    """The body leaves something behind that a fork would carry into every execution."""


def preloaded(program: Frame, name: str, limits: dict[str, int]) -> ModuleType:
    """The program's module, its body run with the memory and descriptors of an execution.

    What it prints is dropped, and no file can be written, by it or anything that is forked later.
    The time is the host's to keep.

    Raises:
        NotPreloadable: it installed a signal handler or set a timer.
        BaseException: whatever the body raises.
    """
    _drop_errors()
    forbid_writing()
    _limit(resource.RLIMIT_AS, limits["memory_bytes"], limits["memory_bytes"] + OWN_BYTES)
    _limit(resource.RLIMIT_NOFILE, limits["descriptors"])
    handlers = _handlers()
    gc.enable()
    module = load_program(program["source"], name, program.get("code"))
    gc.disable()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # else each execution would print what is left in the buffer
    if _handlers() != handlers or _has_timer():
        raise NotPreloadable
    for which in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE):
        _, most = resource.getrlimit(which)
        resource.setrlimit(which, (most, most))
    return module


def _drop_errors() -> None:
    """The runner's standard error is the service's log, which is no place for a tenant's text."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    """Lower a limit, to what may be raised again up to `hard`."""
    _, most = resource.getrlimit(which)
    hard = most if hard is None else min(hard, most)
    resource.setrlimit(which, (min(soft, hard), hard))


def _handlers() -> list[object]:
    return [signal.getsignal(number) for number in sorted(signal.valid_signals())]


def _has_timer() -> bool:
    timers = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
    return any(signal.getitimer(timer) != (0.0, 0.0) for timer in timers)
