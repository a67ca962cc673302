"""Time that passes when nobody has anything else to do, so that no test waits for it."""

import asyncio
import heapq
from typing import Any


class TurnedClockLoop(asyncio.SelectorEventLoop):
    """A loop without input or output, whose clock jumps to the next thing that is due."""

    # asyncio's own, which its stubs do not show.
    _scheduled: list[Any]
    _ready: Any
    _timer_cancelled_count: int

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(self._scheduled)._scheduled = False
        if not self._ready and self._scheduled:
            self._now = max(self._now, self._scheduled[0]._when)
        super()._run_once()  # type: ignore[misc] # as above
