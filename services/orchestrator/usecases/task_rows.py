"""Rows of the datasets of a run's tasks, with failures that say which dataset they are of."""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

from manifest.schema import Dataset, Task, normalised_json
from orchestrator.domain.failure import Failure, RunFailed
from orchestrator.domain.work import ROW_BYTES_MAX
from orchestrator.ports.services import Datasets, Files
from orchestrator.usecases.failures import as_run_failure
from orchestrator.usecases.task_sources import TaskSources, task_sources
from servicekit.errors import ServiceError

_STAGE = "prepare"

Rows = AsyncIterator[Sequence[bytes]]


class TaskRows:
    """Reads datasets."""

    def __init__(self, files: Files, datasets: Datasets) -> None:
        self._files = files
        self._datasets = datasets

    async def sources(self, tasks: Sequence[Task]) -> TaskSources:
        """Look up what the datasets of tasks are called."""
        return await task_sources(tasks, self._files)

    async def read(self, dataset: Dataset | None, task: Task, sources: TaskSources) -> Rows:
        """Return the rows of one of a task's datasets in batches; none for no dataset.

        Raises:
            RunFailed: the dataset cannot be read, now or while its rows are.
        """
        if dataset is None:
            return _no_rows()
        about = partial(sources.dataset_failure, task=task, dataset=dataset)
        try:
            sha256 = await self._datasets.resolve(normalised_json(dataset))
        except ServiceError as error:
            raise as_run_failure(error, stage=_STAGE, about=about) from error
        return _checked(self._datasets.rows(sha256), about)


async def _no_rows() -> Rows:
    return
    yield


async def _checked(rows: Rows, failed: Callable[[Failure], RunFailed]) -> Rows:
    number = 0
    async for batch in rows:
        for row in batch:
            if len(row) > ROW_BYTES_MAX:
                message = (
                    f"row {number} has {len(row)} bytes as JSON; "
                    f"at most {ROW_BYTES_MAX} are possible"
                )
                raise failed(Failure(code="dataset_error", message=message, stage=_STAGE))
            number += 1
        yield batch
