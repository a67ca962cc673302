"""How long to wait for a part that is away."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from servicekit import logs
from servicekit.errors import Kind, ServiceError

_FIRST_S = 0.2
_LONGEST_S = 5.0

Result = TypeVar("Result")

_log = logs.get_logger("orchestrator.backoff")


class Backoff:
    """Waits that double up to 5 s, spread so that not everybody comes back at once."""

    def __init__(self) -> None:
        self._next_s = _FIRST_S

    async def wait(self) -> None:
        """Wait, longer than last time."""
        wait_s = self._next_s * random.uniform(0.5, 1.0)  # noqa: S311 -- spreading, not secrecy
        self._next_s = min(self._next_s * 2, _LONGEST_S)
        await asyncio.sleep(wait_s)

    def reset(self) -> None:
        """Start with short waits again: the part is back."""
        self._next_s = _FIRST_S


async def insist(ask: Callable[[], Awaitable[Result]]) -> Result:
    """Ask until the other side is there; for questions that may be asked twice."""
    backoff = Backoff()
    while True:
        try:
            return await ask()
        except ServiceError as error:
            if error.kind is not Kind.UNAVAILABLE:
                raise
            _log.warning("part_away", error=repr(error))
        await backoff.wait()
