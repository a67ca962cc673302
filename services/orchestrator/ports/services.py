"""What the use cases need of the other services and of the object store.

All raise a ServiceError of kind UNAVAILABLE when the other side is away, and the other side's own
refusal as a ServiceError with its reason.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from manifest.programs import Program
from orchestrator.domain.outcomes import Graded, ModelCall, ModelReply
from orchestrator.domain.run import Run
from orchestrator.domain.suite import Suite, SuiteVersion
from orchestrator.domain.work import (
    FileFacts,
    GradableSample,
    GradingOrder,
    Item,
    PreparationOrder,
)
from servicekit.errors import Violation


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of programs found.

    Attributes:
        violations: All problems, in order of the programs.
        entrypoints: Entry points of each grader among the programs, in their order.
    """

    violations: Sequence[Violation]
    entrypoints: Sequence[frozenset[str]]


@dataclass(frozen=True, slots=True)
class GradeReport:
    """One message of a grading: outcomes, and the metrics of an aggregate execution at its end.

    Attributes:
        lost: Indices of samples whose jail was lost: our failure, to be sent again.
        metrics_json: Empty when the execution returned none.
    """

    graded: Sequence[Graded]
    lost: Sequence[int] = ()
    metrics_json: bytes = b""


class Bridge(Protocol):
    """The way to models."""

    async def generate(self, call: ModelCall) -> ModelReply:
        """Make a model call. A bridge that is away is waited for, and the call sent again."""
        ...

    async def renew(self, run_token: str) -> str:
        """Return a fresh run token with the bounds of the old one."""
        ...


class Grading(Protocol):
    """A stream of samples to the grader and of outcomes back."""

    async def send(self, samples: Sequence[GradableSample]) -> None:
        """Send samples; waits when the grader cannot take more."""

    async def end(self) -> None:
        """Say that no more samples follow."""

    def reports(self) -> AsyncIterator[GradeReport]:
        """Yield what comes back, until the grader has answered everything."""
        ...


class Sandbox(Protocol):
    """The way to the jails."""

    async def check(self, programs: Sequence[Program]) -> Checked:
        """Check programs without running them."""
        ...

    def prepare(
        self,
        order: PreparationOrder,
        *,
        fewshot_rows: AsyncIterator[Sequence[bytes]],
        rows: AsyncIterator[Sequence[bytes]],
    ) -> AsyncIterator[Sequence[Item]]:
        """Turn rows (one JSON object each) into items, in order of their index."""
        ...

    def grade(self, order: GradingOrder) -> AbstractAsyncContextManager[Grading]:
        """Open a grading; leaving the block ends it."""
        ...


class Files(Protocol):
    """Files of the current caller's team."""

    async def lookup(self, file_ids: Sequence[str]) -> Mapping[str, FileFacts]:
        """Return what is known of files; those that the team does not have are missing."""
        ...

    async def read(self, file_id: str, *, bytes_max: int) -> bytes:
        """Return a file's content, or raise ProgramTooLarge."""
        ...


class FileRemoval(Protocol):
    """Deleting files of the current caller's team."""

    async def delete(self, file_id: str) -> None:
        """Delete a file; a ServiceError of kind NOT_FOUND when it is not there."""


Fence = Callable[[], AbstractAsyncContextManager[None]]
"""Opens a block in which nobody takes our lease over; raises LeaseLost when somebody has."""


class Artifacts(Protocol):
    """Files that a run leaves, under the ids it has for them; a repetition replaces them."""

    async def store_samples(
        self, run: Run, lines: Callable[[], AsyncIterator[bytes]], fence: Fence
    ) -> None:
        """Store all samples, one a line; `lines` starts over each time it is called."""

    async def store_results(
        self, run: Run, suite: Suite, version: SuiteVersion, fence: Fence
    ) -> None:
        """Store the run with what it was made of."""


class Datasets(Protocol):
    """Datasets as rows in the object store."""

    async def resolve(self, dataset_json: bytes) -> str:
        """Return the name of the blob that holds a dataset's rows, made when it is missing."""
        ...

    def rows(self, sha256: str) -> AsyncIterator[Sequence[bytes]]:
        """Yield rows in batches, one JSON object each."""
        ...
