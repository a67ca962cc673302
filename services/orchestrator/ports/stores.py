"""What the use cases need of the orchestrator's own tables.

Each method is one transaction. What takes a lease raises LeaseLost, and writes nothing, when the
lease is no longer good. All raise a ServiceError of kind UNAVAILABLE when Postgres is away.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from orchestrator.domain.agents.trajectory import SampleRef
from orchestrator.domain.audio import ShownAudio
from orchestrator.domain.failure import Failure
from orchestrator.domain.listing import Page, RunFilter, SampleFilter, Slice
from orchestrator.domain.metrics import Counts, GroupResult
from orchestrator.domain.outcomes import SampleChanges
from orchestrator.domain.run import DiscardedFile, Run, RunRequest
from orchestrator.domain.sample import Sample
from orchestrator.domain.sharding import PlannedShard, Share, TaskSize
from orchestrator.domain.suite import Suite, SuiteVersion, VersionContent, VersionRef
from orchestrator.domain.tokens import Tokens
from orchestrator.domain.work import (
    GradableSample,
    Item,
    Lease,
    PreparedTask,
    QueuedSample,
    RunJob,
    RunStep,
    Shard,
    ShardJob,
)
from servicekit.caller import Caller


class Suites(Protocol):
    """Suites and versions that the caller's team owns, or that are shared with its organisation."""

    async def add(self, suite: Suite, content: VersionContent) -> None:
        """Store a suite and its version 1."""

    async def add_version(
        self, caller: Caller, suite_id: str, content: VersionContent, *, activate: bool
    ) -> SuiteVersion:
        """Store the suite's next version; concurrent calls get consecutive numbers."""
        ...

    async def get(self, caller: Caller, suite_id: str) -> Suite:
        """Return a suite, or raise SuiteNotFound."""
        ...

    async def get_owned(self, caller: Caller, suite_id: str) -> Suite:
        """Return a suite that is to be changed or run; raise SuiteNotFound or SharedReadOnly."""
        ...

    async def list_page(
        self, caller: Caller, page: Page, *, owned_only: bool = False
    ) -> Slice[Suite]:
        """Return suites, newest first, or raise InvalidCursor."""
        ...

    async def get_version(self, caller: Caller, suite_id: str, version: int) -> SuiteVersion:
        """Return a version, or raise SuiteNotFound or SuiteVersionNotFound."""
        ...

    async def list_versions(self, caller: Caller, suite_id: str, page: Page) -> Slice[SuiteVersion]:
        """Return versions, highest first, or raise SuiteNotFound or InvalidCursor."""
        ...

    async def find_version(
        self, caller: Caller, suite_id: str, version: int | None
    ) -> VersionRef | None:
        """Look up the version a run is to take, the active one for None.

        Raises SuiteNotFound or SharedReadOnly.
        """
        ...


class Runs(Protocol):
    """Runs and samples of the suites that the caller sees; artifacts of its own team's only."""

    async def add(
        self, caller: Caller, run_id: str, request: RunRequest, version: VersionRef, token: str
    ) -> Run:
        """Store a queued run with its event and work message; a run_id seen before changes nothing.

        Raises RunIdTaken when another team has it.
        """
        ...

    async def get(self, caller: Caller, run_id: str) -> Run:
        """Return a run, or raise RunNotFound."""
        ...

    async def list_page(self, caller: Caller, wanted: RunFilter, page: Page) -> Slice[Run]:
        """Return runs, newest first, or raise InvalidCursor."""
        ...

    async def list_samples(
        self, caller: Caller, run_id: str, wanted: SampleFilter, page: Page
    ) -> Slice[Sample]:
        """Return samples by task, model and index, or raise RunNotFound or InvalidCursor.

        A page may have fewer entries than asked for although more follow: rows can be large.
        """
        ...


class SampleAudio(Protocol):
    """Audio of samples that the caller may see."""

    async def get(self, caller: Caller, ref: SampleRef) -> ShownAudio:
        """Return the audio of a sample's row.

        Raises RunNotFound, SampleNotFound, SampleAmbiguous, AudioNotFound or AudioTooLarge.
        """
        ...


class RunChanges(Protocol):
    """What the caller's team does to its runs. All raise RunNotFound or SharedReadOnly."""

    async def cancel(self, caller: Caller, run_id: str) -> Run:
        """Stop a run and return it: cancelled, or cancelling while it is in somebody's hands.

        What was finished stays. Raises RunNotCancellable when it has completed or failed.
        """
        ...

    async def rerun_failed(self, caller: Caller, run_id: str, *, token: str) -> Run:
        """Queue the failed samples of a completed run again, with their results kept aside.

        `token` replaces the run token. Raises RunNotCompleted or NoFailedSamples.
        """
        ...

    async def retry(self, caller: Caller, run_id: str, *, token: str) -> Run:
        """Resume a failed or cancelled run where its stored samples are.

        `token` replaces the run token. Raises RunNotRetryable.
        """
        ...

    async def delete(self, caller: Caller, run_id: str) -> None:
        """Hide a run and discard its artifacts; an unfinished one is cancelled first."""

    async def delete_suite(self, caller: Caller, suite_id: str) -> int:
        """Hide a suite, and all its runs as `delete` does; return how many runs.

        Its shares are gone. Raises SuiteNotFound or SharedReadOnly.
        """
        ...


class Discards(Protocol):
    """Files that are to be deleted where they lie."""

    async def pending(self, *, limit: int) -> Sequence[DiscardedFile]:
        """Return files to delete, those that were noted first."""
        ...

    async def gone(self, file_id: str) -> None:
        """Forget a file: it is deleted."""

    async def put_off(self, file_id: str) -> None:
        """Let all others come before a file that cannot be deleted."""


class RunSteps(Protocol):
    """What one worker does for a whole run."""

    async def take(self, run_id: str, step: RunStep) -> RunJob | None:
        """Lease a step; None when it is not due or somebody works on it."""
        ...

    async def start(self, lease: Lease) -> None:
        """Move a queued run to in_progress and announce it; one that is there already stays."""

    async def fail(self, lease: Lease, failure: Failure) -> None:
        """End the run as failed, announce it, and take all its leases away.

        One that is being cancelled does not fail any more: LeaseLost.
        """

    async def note_token(self, run_id: str, token: str) -> None:
        """Keep a renewed run token."""


class Leases(Protocol):
    """Leases in general."""

    async def renew(self, leases: Collection[Lease]) -> Mapping[Lease, Share | None]:
        """Extend leases; those missing from the answer are lost. A shard's comes with its share."""
        ...

    async def release(self, lease: Lease, *, mishap: bool) -> int:
        """Give a lease back, so that anybody may take it at once; a lost one stays lost.

        A mishap is a failure that may not pass by itself. Returns how many there were so far.
        """
        ...

    async def sweep(self) -> int:
        """Go on with whatever is unfinished and in nobody's hands; return how many pieces it was.

        Work gets its message again; a run that is being cancelled ends.
        """
        ...


class Preparations(Protocol):
    """Items, samples and shards of a run that is being prepared."""

    async def prepared(self, lease: Lease) -> Mapping[int, TaskSize]:
        """Return the tasks that an earlier attempt completed, by their place in the manifest."""
        ...

    async def clear_task(self, lease: Lease, task_ord: int) -> None:
        """Drop what an interrupted attempt left of a task."""

    async def add_items(self, lease: Lease, task_ord: int, items: Sequence[Item]) -> None:
        """Append items of a task."""

    async def complete_task(self, lease: Lease, task: PreparedTask) -> None:
        """Make a task's samples, one an item and model."""

    async def complete(self, lease: Lease, plan: Sequence[PlannedShard]) -> None:
        """Store the shards, dispatch the first of them, and let go of the lease."""


class Shards(Protocol):
    """Shards of runs that are in progress."""

    async def take(self, run_id: str, shard_no: int) -> ShardJob | None:
        """Lease a shard, its samples in their last safe state; None when it is not to be had."""
        ...

    async def finish(self, lease: Lease) -> bool:
        """Mark a shard done and dispatch what follows: another shard, or finalize.

        Releases its group's grading when it was the last of it. Returns whether other open shards
        got a larger share.
        """
        ...


class ShardSamples(Protocol):
    """Samples of a leased shard."""

    async def queued(self, shard: Shard, *, after: int, limit: int) -> Sequence[QueuedSample]:
        """Return queued samples behind index `after`, in order; fewer when prompts are large."""
        ...

    async def audio(self, shard: Shard, sample_index: int) -> str:
        """Return the audio of a sample's item, a `data:` URI or an http(s) URL."""
        ...

    async def ready(self, shard: Shard) -> Sequence[int]:
        """Return the indices of samples that are ready to score, in order."""
        ...

    async def gradable(self, shard: Shard, indices: Sequence[int]) -> Sequence[GradableSample]:
        """Return samples with rows and outputs in order of `indices`; fewer when they are large."""
        ...

    async def write(self, shard: Shard, changes: SampleChanges, *, repeated: bool) -> None:
        """Store changes. `repeated`: an earlier try may have stored them already."""

    async def restart_group(self, shard: Shard) -> Sequence[int]:
        """Make all generated samples of an aggregate shard ready to score; return their indices."""
        ...

    async def add_group_metrics(self, shard: Shard, metrics_json: bytes) -> None:
        """Keep what an aggregate execution returned for its group."""


class Results(Protocol):
    """What a run adds up to."""

    async def groups(self, run_id: str) -> Sequence[GroupResult]:
        """Add up the samples of each task and model from their rows."""
        ...

    async def store(
        self, lease: Lease, *, metrics_json: bytes, counts: Counts, tokens: Tokens
    ) -> datetime:
        """Keep the results; return when the run ends, the same for every repetition."""
        ...

    def holding(self, lease: Lease) -> AbstractAsyncContextManager[None]:
        """Keep a lease from being taken over during a block, or raise LeaseLost."""
        ...

    async def origin(self, run_id: str) -> tuple[Suite, SuiteVersion]:
        """Return the suite and the version that a run was made of."""
        ...

    def sample_lines(self, run_id: str) -> AsyncIterator[bytes]:
        """Yield all samples of a run, one a line, by task, model and index; many at a time."""
        ...

    async def complete(self, lease: Lease, *, result_file_id: str, samples_file_id: str) -> None:
        """End the run as completed and announce it; artifacts of an earlier edition are discarded.

        One that is being cancelled does not complete any more: LeaseLost.
        """
