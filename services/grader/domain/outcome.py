"""How an execution ended, and what that is called."""

import os
import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never


class Outcome(StrEnum):
    """How an execution ended; `proctor.sandbox.v1.Outcome` without its prefix."""

    SCORED = "SCORED"
    GRADER_ERROR = "GRADER_ERROR"
    INVALID_RESULT = "INVALID_RESULT"
    TIMEOUT = "TIMEOUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    OUTPUT_LIMIT = "OUTPUT_LIMIT"
    SANDBOX_VIOLATION = "SANDBOX_VIOLATION"
    CRASHED = "CRASHED"
    JAIL_LOST = "JAIL_LOST"


class Cause(StrEnum):
    """Why the host stopped listening to an execution that gave no result."""

    HUNG_UP = "hung_up"  # its socket closed: it died, or closed it itself
    RAN_OUT_OF_TIME = "ran_out_of_time"
    PRINTED_TOO_MUCH = "printed_too_much"
    SPOKE_NONSENSE = "spoke_nonsense"  # a frame that is too long or is not strict JSON
    LOST = "lost"  # the jail around it, or our way to a model, is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What the kernel says about a child that is over.

    `killed` is true when it had to be killed, so its status tells nothing about the program.
    """

    status: int
    killed: bool
    cpu_s: float
    rss_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one execution may use."""

    wall_s: float
    memory_bytes: int
    cpu_s: int


@dataclass(frozen=True, slots=True)
class Failure:
    """An execution without a result.

    What it is called, the contract's code and a sentence for people.
    """

    outcome: Outcome
    code: str
    message: str


# Above this share of its memory limit, a child killed by nobody we know was killed by the kernel
# for its memory.
_OOM_SHARE = 0.25


def failure_of(cause: Cause, ending: Ending | None, limits: Limits, detail: str = "") -> Failure:
    """Name the failure of an execution that gave no result.

    `ending` is None when the jail was lost with it. `detail` says what was wrong with a frame.
    """
    match cause:
        case Cause.RAN_OUT_OF_TIME:
            return _out_of_time(f"it did not end within {limits.wall_s:g} s")
        case Cause.PRINTED_TOO_MUCH:
            return Failure(Outcome.OUTPUT_LIMIT, "output_limit", "it printed more than is allowed")
        case Cause.SPOKE_NONSENSE:
            sentence = f"it returned something that is not a result: {detail}"
            return Failure(Outcome.INVALID_RESULT, "invalid_grader_result", sentence)
        case Cause.LOST:
            return Failure(Outcome.JAIL_LOST, "jail_lost", detail or "the jail was lost")
        case Cause.HUNG_UP:
            if ending is None:
                return Failure(Outcome.JAIL_LOST, "jail_lost", "the jail was lost")
            return _failure_of_ending(ending, limits)
    assert_never(cause)


def _failure_of_ending(ending: Ending, limits: Limits) -> Failure:
    if ending.killed:
        return _crashed("it closed its channel without a result")
    if os.WIFSIGNALED(ending.status):
        return _failure_of_signal(os.WTERMSIG(ending.status), ending, limits)
    code = os.waitstatus_to_exitcode(ending.status)
    return _crashed(f"it exited with status {code} without a result")


def _failure_of_signal(number: int, ending: Ending, limits: Limits) -> Failure:
    if number == signal.SIGSYS:
        sentence = "it made a system call that no program has a reason for"
        return Failure(Outcome.SANDBOX_VIOLATION, "sandbox_violation", sentence)
    if number == signal.SIGXCPU or (number == signal.SIGKILL and ending.cpu_s >= limits.cpu_s):
        return _out_of_time(f"it used more than {limits.cpu_s} s of CPU time")
    if number == signal.SIGXFSZ:
        return Failure(Outcome.OUTPUT_LIMIT, "output_limit", "it wrote a file that is too large")
    if number == signal.SIGKILL and ending.rss_bytes >= limits.memory_bytes * _OOM_SHARE:
        return Failure(Outcome.OUT_OF_MEMORY, "grader_oom", "it ran out of memory")
    # Not signal.Signals: most real-time signals have no name, and a program may choose its own.
    named = {one.value: one.name for one in signal.Signals}
    name = named.get(number, f"signal {number}")
    return _crashed(f"it was ended by {name} without a result")


def _out_of_time(sentence: str) -> Failure:
    return Failure(Outcome.TIMEOUT, "grader_timeout", sentence)


def _crashed(sentence: str) -> Failure:
    return Failure(Outcome.CRASHED, "grader_crashed", sentence)
