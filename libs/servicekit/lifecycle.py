"""How a service's process starts, runs its loops and stops."""

import asyncio
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import uvloop

from servicekit import logs
from servicekit.privileges import hide_memory

_log = logs.get_logger("servicekit.lifecycle")


class Loop(Protocol):
    """Something that runs until it is cancelled: a server, a consumer, a relay, a sweeper."""

    async def run(self) -> None:
        """Run until cancelled, then clean up."""
        ...


class LoopEnded(RuntimeError):
    """A loop returned although nobody stopped it; half a service is worse than none."""


Build = Callable[[], AbstractAsyncContextManager[Sequence[Loop]]]


def run_service(build: Build, name: str) -> None:
    """Build the service, run its loops on uvloop until SIGTERM or SIGINT, and clean up.

    Returns when it was asked to stop; a failure of any loop stops all and ends the process with
    exit code 1, so that whoever supervises it starts it again. The process may open as many files
    as the machine lets it, and its secrets are closed to other processes of its user.
    """
    hide_memory()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(serve(build, name))
        except Exception:  # noqa: BLE001 - logged, then told by the exit code
            _log.exception("service_failed", service=name)
            sys.exit(1)


async def serve(build: Build, name: str) -> None:
    """The same inside a running loop; returns after SIGTERM or SIGINT when everything is closed."""
    stop = _Stop()
    stop.listen()
    try:
        async with build() as loops, asyncio.TaskGroup() as tasks:
            stop.end_if_asked()
            _log.info("service_started", service=name)
            for loop in loops:
                tasks.create_task(_run(loop), name=type(loop).__name__)
    except asyncio.CancelledError:
        if not stop.asked:
            raise
        _log.info("service_stopped", service=name)


async def _run(loop: Loop) -> None:
    await loop.run()
    raise LoopEnded(f"{type(loop).__name__} returned")


class _Stop:
    """Turns the first signal into a cancellation of the service; later ones change nothing."""

    def __init__(self) -> None:
        self.asked = False
        self._task = asyncio.current_task()

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask)

    def end_if_asked(self) -> None:
        """A library that was waited for may have lost the cancellation."""
        if self.asked:
            raise asyncio.CancelledError

    def _ask(self) -> None:
        # A terminal's Ctrl-C reaches a child together with its parent's SIGTERM: a second signal is
        # no impatience.
        if not self.asked and self._task is not None:
            self.asked = True
            self._task.cancel()
