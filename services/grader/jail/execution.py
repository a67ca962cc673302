"""Run one execution to its end: under the host's clock, with an ending that is always asked for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from grader.domain.outcome import Cause, Ending, Failure, Limits, failure_of
from grader.domain.result import InvalidResult, read_error
from grader.domain.strict_json import PARTS_MAX, Json, NotStrictJson, parse
from grader.jail.child import Child
from grader.jail.control import JailLost
from grader.jail.frames import FrameTooLong
from grader.jail.jail import Jail
from grader.jail.stalls import without_stalls

Result = TypeVar("Result")

# A clock is moved when time passes that is not the program's: waiting for one of our own CPU slots.
Clock = asyncio.Timeout


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run: one of the runner's programs, within limits."""

    kind: str
    limits: Limits
    frame_bytes_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed(Generic[Result]):
    """How an execution went: either `failure` or `result` is there.

    `ending` is None when the jail was lost.
    """

    result: Result | None = None
    failure: Failure | None = None
    stdout: str = ""
    stderr: str = ""
    run_time_s: float = 0.0
    ending: Ending | None = None


class HungUp(Exception):
    """The child's socket closed before it gave a result."""


class Reported(Exception):
    """The child itself says that it failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


Converse = Callable[[Child, Clock], Awaitable[Result]]
"""Talk to a child until it gives its result.

Raises HungUp, Reported, InvalidResult or what `receive` raises.
"""


async def execute(jail: Jail, order: Order, converse: Converse[Result]) -> Executed[Result]:
    """Fork a child, talk to it, end it.

    Always returns, except when cancelled or when `converse` fails for a reason of ours; the child
    is ended then too.
    """
    started = time.monotonic()
    try:
        child = jail.fork(order.kind, order.limits, frame_bytes_max=order.frame_bytes_max)
    except JailLost:
        return Executed(failure=failure_of(Cause.LOST, None, order.limits))
    try:
        try:
            said = await _talk(child, order.limits, converse)
        finally:
            ending = await jail.reap(child)
        failure = said.failure
        if child.cause is not None:
            failure = failure_of(child.cause, ending, order.limits, said.detail)
        stdout, stderr = child.printed()
    finally:
        child.close()
    return Executed(
        result=said.result if failure is None else None,
        failure=failure,
        stdout=stdout,
        stderr=stderr,
        run_time_s=time.monotonic() - started,
        ending=ending,
    )


async def receive(child: Child, *, parts_max: int = PARTS_MAX) -> dict[str, Json]:
    """The child's next frame, decoded; one of more than `parts_max` brackets and commas is none.

    Raises:
        HungUp: there is none.
        Reported: it is the child's own failure.
        FrameTooLong, NotStrictJson, InvalidResult: it is no frame.
    """
    raw = await child.stream.receive()
    if raw is None:
        raise HungUp
    frame = parse(raw, parts_max=parts_max)
    if not isinstance(frame, dict):
        raise InvalidResult("a frame is not an object")
    if "error" in frame:
        raise Reported(read_error(frame["error"]))
    return frame


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said(Generic[Result]):
    """What a child said; nothing, when the reason why stands in its `cause`."""

    result: Result | None = None
    failure: Failure | None = None
    detail: str = ""


async def _talk(child: Child, limits: Limits, converse: Converse[Result]) -> _Said[Result]:
    try:
        async with asyncio.timeout(limits.wall_s) as clock, without_stalls(clock):
            return _Said(result=await converse(child, clock))
    except Reported as report:
        return _Said(failure=report.failure)
    except HungUp:
        child.cause = child.cause or Cause.HUNG_UP
    except TimeoutError:
        child.cause = child.cause or Cause.RAN_OUT_OF_TIME
    except (FrameTooLong, NotStrictJson, InvalidResult) as error:
        child.cause = child.cause or Cause.SPOKE_NONSENSE
        return _Said(detail=str(error))
    return _Said()
