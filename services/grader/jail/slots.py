"""CPU slots: how many executions compute at once. One that waits for a model holds none."""

import asyncio
import time
from collections import OrderedDict, deque
from types import TracebackType
from typing import Self


class CpuSlots:
    """As many slots as there are cores to compute on.

    Those who wait for one take turns by owner, so a team with a thousand executions in the queue
    does not keep another's first one waiting behind them.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = count
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    def hold(self, owner: str = "") -> "HeldSlot":
        """A slot for the length of an `async with` block; waits for one."""
        return HeldSlot(self, owner)

    async def acquire(self, owner: str) -> None:
        """Wait for a slot; `release` gives it back."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came too late to be used
                self.release()
            raise

    def release(self) -> None:
        """Give a slot to the first of the owner whose turn it is."""
        while self._waiting:
            owner, turns = next(iter(self._waiting.items()))
            turn = turns.popleft()
            if not turns:
                del self._waiting[owner]
            if not turn.done():
                if turns:
                    self._waiting.move_to_end(owner)
                turn.set_result(None)
                return
        self._free += 1


class HeldSlot:
    """One execution's slot, which it lends back while all it does is wait."""

    def __init__(self, slots: CpuSlots, owner: str) -> None:
        self._slots = slots
        self._owner = owner
        self._is_held = False

    async def __aenter__(self) -> Self:
        await self._slots.acquire(self._owner)
        self._is_held = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the slot back for good."""
        self.lend_back()

    def lend_back(self) -> None:
        """Let others compute; nothing happens when the slot is lent back already."""
        if self._is_held:
            self._is_held = False
            self._slots.release()

    async def take_again(self) -> float:
        """Wait for a slot unless it is held.

        Returns the seconds that took, which are not the program's.
        """
        if self._is_held:
            return 0.0
        started = time.monotonic()
        await self._slots.acquire(self._owner)
        if self._is_held:  # another call of the same execution came back at the same time
            self._slots.release()
        self._is_held = True
        return time.monotonic() - started
