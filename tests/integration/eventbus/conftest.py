import asyncio
from collections.abc import AsyncIterator

import pytest

from eventbus.bus import Bus, StreamSpec

WORK = StreamSpec(name="WORK", subjects=("work.>",), kind="work")
EVENTS = StreamSpec(name="EVENTS", subjects=("events.>",), kind="events", max_age_s=3600)
PATIENCE_S = 20


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    async with Bus.connect(nats_url, name="test") as bus:
        await bus.ensure_stream(WORK)
        yield bus


class Tally:
    """Counts; `until` waits for a number."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._changed = asyncio.Event()

    def add(self, what: str) -> None:
        self.seen.append(what)
        self._changed.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.seen) < count:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def tally() -> Tally:
    return Tally()
