"""The call budget of a run, over all processes and restarts, without a query per call.

Each process reserves a few calls ahead in the ledger and spends them from memory. So a run never
makes more calls than its token allows. A process that dies keeps what it had reserved and not
spent, at most an eighth of what was left; one that stops properly, or has not spent on the run for
a while, gives it back.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.bridge.call import CallFailed
from gateway.domain.run_token import RunGrant
from servicekit.errors import ServiceError
from servicekit.logs import get_logger

IDLE_S = 600.0
SPENT_REMEMBERED_S = (
    1.0  # another process may give calls back at any time; until then refusals cost no query
)
RESERVED_SHARE = 8
CLOSE_TIMEOUT_S = 3.0  # a service has 10 s to stop, and the database may be what made it

log = get_logger(__name__)


class BudgetLedger(Protocol):
    """Where reservations are kept, shared by all processes."""

    async def reserve(self, grant: RunGrant, *, most: int) -> int:
        """Reserve up to `most` of the calls left and return how many; 0 when none is left."""
        ...

    async def give_back(self, run_id: str, calls: int) -> None:
        """Return reserved calls that were not made."""
        ...


def next_reservation(remaining: int, most: int) -> int:
    """Return how many calls to reserve of `remaining`: a share, so other processes get some."""
    return min(remaining, most, max(1, remaining // RESERVED_SHARE))


@dataclass(slots=True)
class _Purse:
    calls: int = 0
    spent_until: float = 0.0
    used_at: float = 0.0
    refilling: asyncio.Lock = field(default_factory=asyncio.Lock)


class CallBudget:
    """Spends the budgets of runs for one process.

    Args:
        ledger: Where reservations are kept.
        chunk: Most calls that are reserved at a time.
        monotonic: Seconds that only grow.
    """

    def __init__(
        self, ledger: BudgetLedger, *, chunk: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger = ledger
        self._chunk = chunk
        self._monotonic = monotonic
        self._purses: dict[str, _Purse] = {}

    async def take(self, grant: RunGrant) -> None:
        """Spend one call of the run.

        Raises:
            CallFailed: `call_budget_spent`, the run has made all its calls.
        """
        if grant.max_calls is None:
            return
        purse = self._purses.get(grant.run_id)
        if purse is None:
            purse = self._purses[grant.run_id] = _Purse()
        while purse.calls == 0:
            await self._refill(purse, grant)
        purse.calls -= 1
        purse.used_at = self._monotonic()

    async def close(self) -> None:
        """Give back what was reserved and not spent; what cannot be given back in 3 s is lost."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._give_back_idle_since(float("inf"))
        except (ServiceError, TimeoutError) as error:
            log.warning("budgets_not_given_back", reason=type(error).__name__)

    async def _refill(self, purse: _Purse, grant: RunGrant) -> None:
        async with purse.refilling:
            now = self._monotonic()
            if purse.calls > 0:
                return
            if now >= purse.spent_until:
                purse.used_at = now
                await self._give_back_idle_since(now - IDLE_S)
                purse.calls = await self._ledger.reserve(grant, most=self._chunk)
                purse.spent_until = 0.0 if purse.calls else now + SPENT_REMEMBERED_S
            if purse.calls == 0:
                raise CallFailed(
                    "call_budget_spent", f"the run has made its {grant.max_calls} model calls"
                )

    async def _give_back_idle_since(self, limit: float) -> None:
        idle = [
            run_id
            for run_id, purse in self._purses.items()
            if purse.used_at <= limit and not purse.refilling.locked()
        ]
        for run_id in idle:
            purse = self._purses.pop(run_id)
            if purse.calls:
                await self._ledger.give_back(run_id, purse.calls)
