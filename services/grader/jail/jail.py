"""One jail, bound to one program: executions are forked in it until it is retired."""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Self

from grader.domain.outcome import Cause, Ending, Limits
from grader.jail.child import Child
from grader.jail.control import Answer, Control, JailLost, sealed_file
from grader.jail.process import JailProcess
from grader.jail.stalls import without_stalls

START_S = 20.0  # a start takes 0.06 s; a machine out of breath may need a hundred times that
REAP_S = 5.0
# How often a jail whose runner may be hostile is searched for processes that nobody ordered, which
# would add up to more memory than its executions may have, and the runner for threads, which would
# compute without a CPU slot.
WATCH_S = 0.1
# Threads of executions make a look longer, and so the next one later: to this part of our time.
WATCH_SHARE = 0.01
# A child whose socket closed is ending; the status that tells why comes a moment later.
HUNG_UP_GRACE_S = 1.0

STATUS_MAX = 0xFFFF  # what wait4 gives fits into two bytes
# No machine gives more; whoever reads an ending can write down whatever is below.
CPU_S_MAX = 1e9
RSS_BYTES_MAX = 1 << 53
FILE_BYTES_MAX = 4_194_304
DESCRIPTORS_MAX = 64
# More wait for a place in it, so that each finds room for some threads.
EXECUTIONS_AT_ONCE_MAX = 48
# Of all executions of a jail together, as the kernel counts: below the jail's own 320, so that
# threads cannot keep the runner from forking.
THREADS_MAX = 256


@dataclass(frozen=True, slots=True)
class Preload:
    """How a runner runs its program's module body: within limits, while it holds a CPU slot."""

    limits: Limits
    slot: AbstractAsyncContextManager[object]


class JailStartFailed(Exception):
    """No jail could be started; `log` is what nsjail and the interpreter said."""

    def __init__(self, message: str, *, log: str) -> None:
        super().__init__(message)
        self.log = log


class Jail:
    """A running jail. Several executions may run in it at once; they cannot reach each other."""

    def __init__(self, process: JailProcess) -> None:
        self._process = process
        self._control = Control(process.control, on_lost=self._lose, on_refused=self._refuse)
        self._children: dict[int, Child] = {}
        self._forked = 0
        self._watch: asyncio.TimerHandle | None = None
        self.is_lost = False

    @classmethod
    async def start(
        cls, command: Sequence[str], program: bytes, preload: Preload | None = None
    ) -> Self:
        """Start a jail and load `program`, the JSON object that its executions have in common.

        A runner that is to run the program's module body does so as `preload` says, and is watched
        from then on.

        Raises:
            JailStartFailed: nsjail or the runner did not come up; nothing is left of them.
        """
        try:
            jail = cls(JailProcess(command))
        except OSError as error:
            raise JailStartFailed(f"nsjail cannot be started: {error}", log="") from error
        try:
            async with asyncio.timeout(START_S):
                await jail._control.expect("ready")
                jail._process.find_init()
                if preload is None:
                    await jail.load(program)
            if preload is not None:
                await jail._preload(program, preload)
        except (JailLost, TimeoutError) as error:
            await jail.end()
            raise JailStartFailed(
                "the jail did not come up", log=jail._process.log.text()
            ) from error
        except BaseException:
            await jail.end()
            raise
        return jail

    @property
    def forked(self) -> int:
        """Executions started so far."""
        return self._forked

    @property
    def running(self) -> int:
        """Executions that are not over."""
        return len(self._children)

    @property
    def pid(self) -> int:
        """Process id of its nsjail."""
        return self._process.pid

    def is_single(self) -> bool:
        """Whether the runner has no thread and no process besides itself."""
        return self._process.is_single()

    async def load(self, program: bytes, limits: Limits | None = None) -> None:
        """Hand the runner another program; executions that run already keep theirs.

        Raises:
            JailLost: it did not take it.
        """
        loaded = self._control.expect("loaded")
        descriptor = sealed_file(program)
        try:
            order = {"op": "load", "limits": limits and _limits(limits)}
            self._control.order(order, [descriptor])
        finally:
            os.close(descriptor)
        await loaded

    def fork(self, kind: str, limits: Limits, *, frame_bytes_max: int) -> Child:
        """Start an execution of the program called `kind`; end it with `reap`, whatever happens.

        Raises:
            JailLost: the jail is gone, or there is nothing left to talk to a child with.
        """
        if self.is_lost:
            raise JailLost("the jail was lost")
        self._forked += 1
        try:
            child = Child(self._forked, frame_bytes_max=frame_bytes_max)
        except OSError as error:
            raise JailLost(f"no execution can be started: {error}") from error
        order = {"op": "run", "id": child.number, "kind": kind, "limits": _limits(limits)}
        self._children[child.number] = child
        try:
            self._control.order(order, child.inside)
        except JailLost:
            del self._children[child.number]
            child.close()
            raise
        finally:
            child.close_inside()
        return child

    async def reap(self, child: Child) -> Ending | None:
        """End an execution and say how it ended; None when the jail was lost with it.

        A jail that cannot end its child is killed whole. What the child printed stays readable
        until it is closed.
        """
        if child.was_refused:
            del self._children[child.number]
            return None
        grace_s = HUNG_UP_GRACE_S if child.cause is Cause.HUNG_UP else 0.0
        try:
            ended = self._control.expect(f"ended {child.number}")
            self._control.order({"op": "reap", "id": child.number, "grace_s": grace_s})
            async with asyncio.timeout(REAP_S):
                answer = await ended
            return Ending(
                status=_whole(answer, "status", most=STATUS_MAX),
                killed=answer.get("killed") is True,
                cpu_s=_number(answer, "cpu_s", most=CPU_S_MAX),
                rss_bytes=_whole(answer, "rss_bytes", most=RSS_BYTES_MAX),
            )
        except (JailLost, TimeoutError):
            self._control.lose()
            return None
        except asyncio.CancelledError:
            self._control.lose()  # nobody will know whether that child is over
            raise
        finally:
            self._children.pop(child.number, None)

    async def _preload(self, program: bytes, preload: Preload) -> None:
        async with preload.slot:
            self._look(spare=1)  # the program is compiled in a child of the runner's
            async with asyncio.timeout(preload.limits.wall_s) as clock, without_stalls(clock):
                await self.load(program, preload.limits)
        if not self.is_single():
            raise JailLost("the module body left a thread or a process behind")
        if not self.is_lost:
            self._look()

    def _look(self, *, spare: int = 0) -> None:
        """Give the jail up if its runner has threads, or processes that nobody ordered.

        Again in a moment.
        """
        if self._watch is not None:
            self._watch.cancel()
        started = time.thread_time()
        if self._process.has_more_than(processes=len(self._children) + spare):
            self._control.lose()
            return
        after_s = max(WATCH_S, (time.thread_time() - started) / WATCH_SHARE)
        loop = asyncio.get_running_loop()
        self._watch = loop.call_later(after_s, lambda: self._look(spare=spare))

    async def end(self) -> None:
        """Kill the jail and wait until nothing is left of it."""
        if not self.is_lost:
            self._control.lose()
        await self._process.end()

    def _refuse(self, number: object) -> None:
        """End an execution that the kernel had no room for; the others go on."""
        child = self._children[number]  # type: ignore[index] # another type is no key either
        child.was_refused = True
        child.stop(Cause.LOST)

    def _lose(self) -> None:
        if not self.is_lost:
            self.is_lost = True
            if self._watch is not None:
                self._watch.cancel()
            self._process.kill()
            for child in list(self._children.values()):
                child.stop(Cause.LOST)


def _limits(limits: Limits) -> dict[str, int]:
    return {
        "memory_bytes": limits.memory_bytes,
        "cpu_s": limits.cpu_s,
        "file_bytes": FILE_BYTES_MAX,
        "descriptors": DESCRIPTORS_MAX,
        "threads": THREADS_MAX,
    }


def _whole(answer: Answer, key: str, *, most: int) -> int:
    value = _number(answer, key, most=most)
    if not isinstance(value, int):
        raise JailLost(f"the runner's answer has a {key} that is no whole number")
    return value


def _number(answer: Answer, key: str, *, most: float) -> int | float:
    value = answer.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise JailLost(f"the runner's answer has no {key}")
    if not 0 <= value <= most:
        raise JailLost(f"the runner's answer has a {key} that no wait gives")
    return value
