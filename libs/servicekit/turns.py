"""Turns at something scarce: an owner who wants a thousand places keeps no other waiting."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

# A turn takes less when those who hold a place use it for a moment, as most do.
PATIENCE_S = 1.0


class Line:
    """Those who wait, in turns by owner."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    def __contains__(self, owner: str) -> bool:
        return owner in self._waiting

    def __iter__(self) -> Iterator[str]:
        return iter(self._waiting)

    async def wait(self, owner: str, *, undo: Callable[[], None]) -> None:
        """Stand in line until admitted; `undo` is called when that came too late to be used."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(owner, turn)
            else:
                undo()
            raise

    def admit(self, may: Callable[[str], bool]) -> str | None:
        """Admit one of the first owner in line who may; return who that was, None for nobody."""
        for owner in list(self._waiting):
            turn = self._first(owner) if may(owner) else None
            if turn is not None:
                self._leave(owner, turn)
                if owner in self._waiting:
                    self._waiting.move_to_end(owner)
                turn.set_result(None)
                return owner
        return None

    def _first(self, owner: str) -> "asyncio.Future[None] | None":
        # Those who gave up stay in line until they wake up and leave it.
        return next((turn for turn in self._waiting[owner] if not turn.done()), None)

    def _leave(self, owner: str, turn: "asyncio.Future[None]") -> None:
        turns = self._waiting[owner]
        turns.remove(turn)
        if not turns:
            del self._waiting[owner]


class Turns:
    """Places for `count` who work at once, of which nobody's owner goes without one for long.

    A place that comes free goes to the owner whose turn it is. An owner who waits and has none
    gets one beyond the count after `patience_s` (None: never): so there are never more of those
    than owners. They are given back first: while there are some, a place that comes free is gone,
    unless it was all that its owner had and the owner waits for another.
    """

    def __init__(self, count: int, *, patience_s: float | None = PATIENCE_S) -> None:
        self.count = count
        self._patience_s = patience_s
        self._held: Counter[str] = Counter()
        self._line = Line()
        self._patience: dict[str, asyncio.TimerHandle] = {}

    @asynccontextmanager
    async def place(self, owner: str) -> AsyncIterator[None]:
        """A place for the length of the block; waits for one."""
        await self.acquire(owner)
        try:
            yield
        finally:
            self.release(owner)

    async def acquire(self, owner: str) -> None:
        """Wait for a place; `release` gives it back."""
        if self._held.total() < self.count:
            self._held[owner] += 1
            return
        self._watch(owner)
        await self._line.wait(owner, undo=lambda: self.release(owner))

    def release(self, owner: str) -> None:
        """Give a place of this owner back."""
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        if self._held.total() < self.count:
            self._admit(lambda _: True)
        elif owner not in self._held:
            self._admit(lambda waiting: waiting == owner)
        if owner in self._line:
            self._watch(owner)

    def _admit(self, may: Callable[[str], bool]) -> None:
        owner = self._line.admit(may)
        if owner is not None:
            self._held[owner] += 1
            if owner in self._patience:
                self._patience.pop(owner).cancel()

    def _watch(self, owner: str) -> None:
        """See to it that an owner without a place gets one in time."""
        if self._patience_s is None:
            return
        if owner not in self._held and owner not in self._patience:
            loop = asyncio.get_running_loop()
            self._patience[owner] = loop.call_later(self._patience_s, self._lose_patience, owner)

    def _lose_patience(self, owner: str) -> None:
        del self._patience[owner]
        if owner not in self._held:
            self._admit(lambda waiting: waiting == owner)
