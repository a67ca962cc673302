"""Rows of an embedding task's datasets, opened; what is wrong with one fails the run."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from manifest.schema import Dataset, Embedding, Task
from orchestrator.domain.embedding.plan import Labels
from orchestrator.domain.embedding.rows import Row, RowUnusable, read_row
from orchestrator.domain.failure import Failure, RunFailed
from orchestrator.usecases.task_rows import TaskRows
from orchestrator.usecases.task_sources import TaskSources

STAGE = "prepare"

# What classifiers hold in memory grows with them.
LABELS_MAX = 2_000

# Labels, and candidates of queries, are in memory while a run is prepared, and when it is scored.
HELD_MAX = 5_000_000

Found = TypeVar("Found")


class TaskReader:
    """Reads the datasets of one task and counts the rows that will be embedded.

    Attributes:
        embedding: What the task says of its columns and protocol.
    """

    def __init__(self, task: Task, rows: TaskRows, sources: TaskSources) -> None:
        assert task.embedding is not None, "a task of another type"  # noqa: S101 -- ours
        self.task = task
        self.embedding: Embedding = task.embedding
        self._rows = rows
        self._sources = sources
        self._counted = 0
        self._labels: set[str] = set()
        self._held = 0

    async def lines(self, dataset: Dataset) -> AsyncGenerator[bytes]:
        """Yield the rows of a dataset, one JSON object each."""
        rows = await self._rows.read(dataset, self.task, self._sources)
        async for batch in rows:
            for line in batch:
                yield line

    async def each(
        self, dataset: Dataset | None, take: Callable[[Row], Found]
    ) -> AsyncIterator[Found]:
        """Yield what `take` makes of each row of a dataset that the manifest requires.

        Raises:
            RunFailed: `take` cannot use a row; the failure names dataset and row.
        """
        assert dataset is not None, "the manifest requires it"  # noqa: S101 -- ours
        number = 0
        async with aclosing(self.lines(dataset)) as lines:
            async for line in lines:
                try:
                    found = take(read_row(line))
                except RowUnusable as error:
                    raise self.failure(dataset, f"row {number} {error}") from error
                number += 1
                yield found

    def count(self, texts: int = 1) -> None:
        """Note that rows will be embedded.

        Raises:
            RunFailed: they are more than the task allows.
        """
        self._counted += texts
        if self._counted > self.embedding.max_texts:
            message = (
                f"there are more rows to embed than `max_texts`, which is "
                f"{self.embedding.max_texts}"
            )
            raise self._sources.task_failure(_failure(message), self.task)

    def note_labels(self, labels: Labels) -> None:
        """Note the label of a row, or its labels.

        Raises:
            RunFailed: there are more different ones than can be learnt, or more than can be held.
        """
        own = (labels,) if isinstance(labels, str) else labels
        self._hold(len(own), "labels of all rows")
        self._labels.update(own)
        if len(self._labels) > LABELS_MAX:
            message = f"there are more than {LABELS_MAX} different labels"
            raise self._sources.task_failure(_failure(message), self.task)

    def note_candidates(self, candidates: Sequence[str]) -> None:
        """Note the documents that are ranked for a query.

        Raises:
            RunFailed: those of all queries are more than can be held.
        """
        self._hold(len(candidates), "candidates of all queries")

    def failure(self, dataset: Dataset, message: str) -> RunFailed:
        """Return the failure of a run because of one dataset."""
        return self._sources.dataset_failure(_failure(message), self.task, dataset)

    def _hold(self, count: int, what: str) -> None:
        self._held += count
        if self._held > HELD_MAX:
            message = f"there are more than {HELD_MAX} {what} together"
            raise self._sources.task_failure(_failure(message), self.task)


def _failure(message: str) -> Failure:
    return Failure(code="dataset_error", message=message, stage=STAGE)
