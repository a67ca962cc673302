"""Counting what graders ask models: added up in memory, written 20 times a second.

What is written are sums of this process, not steps, so that a repeated write changes nothing. A
process that dies takes with it what it had not written.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from gateway.domain.run_token import RunGrant
from gateway.domain.usage import ModelUsage, TokenCounts, UsageSum
from servicekit.errors import ServiceError
from servicekit.ids import new_id
from servicekit.logs import get_logger

WRITE_S = 0.05  # to finalise a run after its last grader ended takes longer
AFTER_FAILURE_S = 1.0
CLOSE_TIMEOUT_S = 3.0  # a service has 10 s to stop
SUMS_MAX = 1_000  # models of runs; more are begun anew, under other ids

log = get_logger(__name__)


class UsageLedger(Protocol):
    """Where the sums of all processes are kept."""

    async def write(self, sums: Sequence[UsageSum]) -> None:
        """Put each sum in the place of the one with its id."""
        ...


@dataclass(slots=True)
class UsageMeter:
    """Adds up the usage of calls that graders make."""

    ledger: UsageLedger
    write_s: float = WRITE_S
    _sums: dict[tuple[str, str], UsageSum] = field(default_factory=dict)
    _changed: set[tuple[str, str]] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, grant: RunGrant, model: str, tokens: TokenCounts) -> None:
        """Count one answer of a model."""
        key = (grant.run_id, model)
        known = self._sums.get(key) or UsageSum(
            id=new_id("usage"), run_id=grant.run_id, model=model, usage=ModelUsage()
        )
        one = ModelUsage(calls=1, tokens=tokens)
        self._sums[key] = replace(known, usage=known.usage.plus(one))
        self._changed.add(key)
        self._wake.set()

    async def run(self) -> None:
        """Write what changed, until cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(self.write_s)
            try:
                await self._write()
            except (ServiceError, TimeoutError) as error:
                log.warning("usage_waiting", reason=type(error).__name__)
                await asyncio.sleep(AFTER_FAILURE_S)

    async def close(self) -> None:
        """Write the rest; what cannot be written in 3 s is lost."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._write()
        except (ServiceError, TimeoutError) as error:
            log.warning("usage_lost", sums=len(self._changed), reason=type(error).__name__)

    async def _write(self) -> None:
        self._wake.clear()
        changed = {key: self._sums[key] for key in self._changed}
        if changed:
            try:
                await self.ledger.write(list(changed.values()))
            except BaseException:
                self._wake.set()
                raise
        self._changed = {key for key in self._changed if self._sums[key] is not changed.get(key)}
        if len(self._sums) > SUMS_MAX:
            self._sums = {key: self._sums[key] for key in self._changed}


@asynccontextmanager
async def metering(ledger: UsageLedger) -> AsyncIterator[UsageMeter]:
    """Open a meter that writes while the block runs, and the rest at its end."""
    meter = UsageMeter(ledger)
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(meter.run())
        try:
            yield meter
        finally:
            writing.cancel()
            await meter.close()
