"""CPU slots: how many executions compute at once. One that waits for a model holds none."""

import time
from types import TracebackType
from typing import Self

from servicekit.turns import Turns


class CpuSlots:
    """As many slots as there are cores to compute on.

    Teams take turns at them. One whose programs sleep on all slots stops nobody: a team without a
    slot gets one beyond the count in a second, and the kernel shares the cores among all.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._turns = Turns(count)

    def hold(self, owner: str = "") -> "HeldSlot":
        """A slot for the length of an `async with` block; waits for one."""
        return HeldSlot(self._turns, owner)


class HeldSlot:
    """One execution's slot, which it lends back while all it does is wait."""

    def __init__(self, turns: Turns, owner: str) -> None:
        self._turns = turns
        self._owner = owner
        self._is_held = False

    async def __aenter__(self) -> Self:
        await self._turns.acquire(self._owner)
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
            self._turns.release(self._owner)

    async def take_again(self) -> float:
        """Wait for a slot unless it is held.

        Returns the seconds that took, which are not the program's.
        """
        if self._is_held:
            return 0.0
        started = time.monotonic()
        await self._turns.acquire(self._owner)
        if self._is_held:  # another call of the same execution came back at the same time
            self._turns.release(self._owner)
        self._is_held = True
        return time.monotonic() - started
