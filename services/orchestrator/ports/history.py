"""What imports of runs that happened elsewhere need of the tables."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Protocol

from orchestrator.domain.history import (
    CommittedHistory,
    HistoricalSample,
    HistoryOrder,
    HistoryStanding,
    HistoryTarget,
)
from orchestrator.domain.metrics import Counts
from orchestrator.domain.suite import VersionContent
from servicekit.caller import Caller

Append = Callable[[HistoryStanding, HistoryOrder, Sequence[str]], VersionContent]
"""Makes the content of the version that has the tasks of these ids besides those of before."""


class History(Protocol):
    """Runs that happened elsewhere, of the caller's team."""

    async def look_up(
        self, caller: Caller, target: HistoryTarget, paths: Sequence[str]
    ) -> HistoryStanding:
        """Tell what the target has; raise SuiteNotFound or SharedReadOnly."""
        ...

    async def commit(self, caller: Caller, order: HistoryOrder, append: Append) -> CommittedHistory:
        """Make staged samples runs, with the suite and version they need, in one transaction.

        Raises:
            SuiteNotFound, SharedReadOnly: the target is not the caller's.
            HistoryNotStaged: samples of a run are missing.
        """
        ...

    async def unfinished(self, caller: Caller, run_ids: Sequence[str]) -> int:
        """Count those of the runs that have not ended."""
        ...


class HistoryStages(Protocol):
    """Samples that no run has yet."""

    async def stage(
        self,
        caller: Caller,
        run_id: str,
        time: datetime,
        batches: AsyncIterator[Sequence[HistoricalSample]],
    ) -> Counts:
        """Keep the samples of a future run, all or none; return how many there are.

        Raises:
            RunIdTaken: there are samples under this id already.
            HistoryInvalid: two samples have the same index.
        """
        ...

    async def remove_abandoned(self, *, before: datetime, limit: int) -> int:
        """Remove what was staged before a time and never committed; return how many runs' worth."""
        ...
