"""Have rows deleted for good of runs that were deleted long ago."""

import asyncio
from datetime import timedelta

from orchestrator.ports.purges import Purges
from servicekit import logs
from servicekit.rounds import in_rounds

# Between two transactions: what users wait for comes first.
_PAUSE_S = 0.05

_log = logs.get_logger("orchestrator.purge_runs")


class RunPurger:
    """Looks every `period_s` for runs deleted longer than `kept` ago; several replicas may."""

    def __init__(self, purges: Purges, *, kept: timedelta, period_s: float) -> None:
        self._purges = purges
        self._kept = kept
        self._period_s = period_s

    async def run(self) -> None:
        """Purge until cancelled."""
        await in_rounds(self.purge, period_s=self._period_s, log=_log, failed="runs_not_purged")

    async def purge(self) -> None:
        """Purge everything that is due, a bounded number of rows at a time."""
        while await self._purges.purge(kept=self._kept):  # noqa: ASYNC110 -- a pause, no waiting
            await asyncio.sleep(_PAUSE_S)
