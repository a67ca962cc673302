"""CPU slots: how many executions compute at once. One that waits for a model holds none."""

import asyncio
import time
from types import TracebackType
from typing import Self


class CpuSlots:
    """As many slots as there are cores to compute on."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = asyncio.Semaphore(count)

    def hold(self) -> "HeldSlot":
        """A slot for the length of an `async with` block; waits for one."""
        return HeldSlot(self._free)


class HeldSlot:
    """One execution's slot, which it lends back while all it does is wait."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free = free
        self._is_held = False

    async def __aenter__(self) -> Self:
        await self._free.acquire()
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
            self._free.release()

    async def take_again(self) -> float:
        """Wait for a slot unless it is held.

        Returns the seconds that took, which are not the program's.
        """
        if self._is_held:
            return 0.0
        started = time.monotonic()
        await self._free.acquire()
        if self._is_held:  # another call of the same execution came back at the same time
            self._free.release()
        self._is_held = True
        return time.monotonic() - started
