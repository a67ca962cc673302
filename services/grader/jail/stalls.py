"""Time in which this service's own event loop stood still is not a program's time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

BEAT_S = 0.05
# The loop is late by a little all the time.
LATE_S = 0.02


@asynccontextmanager
async def without_stalls(clock: asyncio.Timeout) -> AsyncIterator[None]:
    """Move a clock by all the time the loop stands still within the block.

    A callback, not a task: it runs in the same turn of the loop as the clocks that ran out in the
    stall, and before them, since it was due before them.
    """
    loop = asyncio.get_running_loop()
    pulse: asyncio.TimerHandle

    def beat(due: float) -> None:
        nonlocal pulse
        late_s = time.monotonic() - due
        when = clock.when()
        if late_s > LATE_S and when is not None and not clock.expired():
            clock.reschedule(when + late_s)
        pulse = loop.call_later(BEAT_S, beat, time.monotonic() + BEAT_S)

    pulse = loop.call_later(BEAT_S, beat, time.monotonic() + BEAT_S)
    try:
        yield
    finally:
        pulse.cancel()
