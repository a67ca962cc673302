"""Store the results of a shard's samples, many in one transaction."""

import asyncio
from collections.abc import Callable, Collection, Sequence

from orchestrator.domain.outcomes import Generated, Graded, SampleChanges
from orchestrator.domain.sample import SampleState
from orchestrator.domain.work import LeaseLost, Shard
from orchestrator.ports.stores import ShardSamples
from orchestrator.usecases.backoff import Backoff
from servicekit import logs
from servicekit.errors import Kind, ServiceError

# Results wait at most this long for company, and never for more than this many.
COMPANY_S = 0.05
_ROWS_MAX = 200
_ROWS_MIN = 8

# A stopping process has 10 s in all.
_LAST_COMMIT_S = 3.0

_log = logs.get_logger("orchestrator.store_results")


class ResultStore:
    """Collects changes of one shard's samples and stores them in group commits.

    A commit starts when 50 ms have passed, or when as many results wait as a quarter of the calls
    in flight (8 to 200): a crash then costs little more than these calls. While Postgres is away
    results are kept and tried again. Cancelled, it stores what it has.

    Args:
        share: Calls in flight at most.
        on_ready: Told the indices of samples that just became ready to score.
    """

    def __init__(
        self,
        shard: Shard,
        samples: ShardSamples,
        *,
        share: int,
        on_ready: Callable[[Sequence[int]], None],
    ) -> None:
        self._shard = shard
        self._samples = samples
        self._rows = min(max(share // 4, _ROWS_MIN), _ROWS_MAX)
        self._on_ready = on_ready
        self._changes = SampleChanges()
        self._committing: SampleChanges | None = None
        self._stored = asyncio.Event()
        self._due: float | None = None
        self._wake = asyncio.Event()
        self._closed = False
        self._now = asyncio.get_running_loop().time

    def note_generating(self, sample_index: int) -> None:
        """Note that a sample's call was made; a result before the next commit replaces the note."""
        self._changes.generating.add(sample_index)
        self._hasten(COMPANY_S)

    def note_scoring(self, indices: Collection[int]) -> None:
        """Note that samples were sent to the grader."""
        self._changes.scoring.update(indices)
        self._hasten(COMPANY_S)

    def add_generated(self, generated: Generated, *, within_s: float = COMPANY_S) -> asyncio.Event:
        """Store what a call gave, beginning within `within_s`; the event tells that it is safe."""
        self._changes.generated[generated.sample_index] = generated
        self._hasten(within_s)
        return self._stored

    def add_graded(self, graded: Graded) -> None:
        """Store how a sample's grading ended."""
        self._changes.graded[graded.sample_index] = graded
        self._hasten(COMPANY_S)

    async def flush(self) -> None:
        """Return when everything added before is stored."""
        if self._changes or self._committing:
            stored = self._stored
            # Commits follow each other, so the next one's end is also the end of the one under way.
            self._due = 0
            self._wake.set()
            await stored.wait()

    def close(self) -> None:
        """Let `run` return when everything is stored."""
        self._closed = True
        self._wake.set()

    async def run(self) -> None:
        """Store until closed.

        Raises:
            LeaseLost: the shard is somebody else's; nothing more can be stored.
        """
        try:
            while not self._closed or self._changes:
                await self._until_due()
                await self._commit()
        except asyncio.CancelledError:
            await self._commit_last()
            raise

    def _hasten(self, within_s: float) -> None:
        due = self._now() + within_s
        if self._due is None or due < self._due:
            self._due = due
            self._wake.set()
        elif self._changes.results >= self._rows:
            self._wake.set()

    async def _until_due(self) -> None:
        while not self._is_due():
            self._wake.clear()
            try:
                async with asyncio.timeout_at(self._due):
                    await self._wake.wait()
            except TimeoutError:
                return

    def _is_due(self) -> bool:
        return (
            self._closed
            or self._changes.results >= self._rows
            or (self._due is not None and self._due <= self._now())
        )

    async def _commit(self) -> None:
        changes, stored = self._changes, self._stored
        self._changes, self._stored, self._due = SampleChanges(), asyncio.Event(), None
        changes.settle()
        self._committing = changes
        if changes:
            await self._write(changes)
        self._committing = None
        stored.set()
        ready = [
            index
            for index, generated in changes.generated.items()
            if generated.state is SampleState.READY_TO_SCORE
        ]
        if ready:
            self._on_ready(ready)

    async def _write(self, changes: SampleChanges) -> None:
        backoff, repeated = Backoff(), False
        while True:
            try:
                await self._samples.write(self._shard, changes, repeated=repeated)
            except ServiceError as error:
                if error.kind is not Kind.UNAVAILABLE:
                    raise
                _log.warning("results_waiting", results=changes.results, error=repr(error))
                # The connection may have broken after the commit.
                repeated = True
                await backoff.wait()
            else:
                return

    async def _commit_last(self) -> None:
        pending = [changes for changes in (self._committing, self._changes) if changes]
        try:
            async with asyncio.timeout(_LAST_COMMIT_S):
                for changes in pending:
                    changes.settle()
                    await self._samples.write(self._shard, changes, repeated=True)
        except (ServiceError, LeaseLost, TimeoutError) as error:
            _log.warning("results_lost", results=sum(c.results for c in pending), error=repr(error))
