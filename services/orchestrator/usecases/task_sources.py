"""How the tasks of a run and their files are called when something is wrong with them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from manifest.references import auxiliary_datasets
from manifest.schema import Dataset, Task
from orchestrator.domain.failure import Failure, RunFailed
from orchestrator.ports.services import Files
from orchestrator.usecases.failures import failed_with


@dataclass(frozen=True, slots=True)
class TaskSources:
    """Says which task and which of its files a failure is about.

    Attributes:
        filenames: By file id; a file that was deleted is missing.
    """

    filenames: Mapping[str, str]

    def dataset_failure(self, failure: Failure, task: Task, dataset: Dataset) -> RunFailed:
        """Return a failure of one dataset with the names of its task and file."""
        subject = f"task {task.id}, {self._called(task, dataset)}"
        return failed_with(failure, subject=subject)

    def task_failure(self, failure: Failure, task: Task) -> RunFailed:
        """Return a failure of a task's rows with the names of the task and all its datasets."""
        datasets = (self._called(task, dataset) for dataset in used_datasets(task))
        return failed_with(failure, subject=", ".join((f"task {task.id}", *datasets)))

    def _called(self, task: Task, dataset: Dataset) -> str:
        use = "dataset" if dataset is task.dataset else "few-shot dataset"
        for name, further in auxiliary_datasets(task).items():
            use = name if dataset is further else use
        if dataset.file_id is None:
            return f"{use} {dataset.path}"
        filename = self.filenames.get(dataset.file_id)
        return f"{use} {dataset.file_id}" + (f" ({filename})" if filename else "")


async def task_sources(tasks: Sequence[Task], files: Files) -> TaskSources:
    """Look up what the datasets of tasks are called."""
    file_ids = [dataset.file_id for task in tasks for dataset in used_datasets(task)]
    known = await files.lookup(list(dict.fromkeys(found for found in file_ids if found)))
    return TaskSources({file_id: facts.filename for file_id, facts in known.items()})


def used_datasets(task: Task) -> Iterator[Dataset]:
    """Yield the datasets whose rows a task needs: its own, and those of examples and documents."""
    yield task.dataset
    if task.fewshot is not None and task.fewshot.count and task.fewshot.dataset is not None:
        yield task.fewshot.dataset
    yield from auxiliary_datasets(task).values()
