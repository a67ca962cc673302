"""The uploaded files a manifest points at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from manifest.schema import Dataset, Grader, Manifest, Preprocessor, Task

# An uploaded program may be larger than an inline one (contract D.10).
PROGRAM_FILE_BYTES_MAX = 1024 * 1024

_DATASET_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}


class FileUse(StrEnum):
    """What a manifest needs a file for."""

    DATASET = "dataset"
    GRADER = "grader"
    PREPROCESSOR = "preprocessor"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReference:
    """One place in a manifest that names a file.

    Attributes:
        path: The place, such as `manifest.tasks[0].dataset.file_id`.
        file_id: Id of the file.
        use: What it is for.
        format: `jsonl` or `csv` where the manifest says so, `python` for programs; None for a
            dataset whose name must tell (`dataset_format`).
        contract: Contract of the program; empty for a dataset.
    """

    path: str
    file_id: str
    use: FileUse
    format: str | None
    contract: str = ""


def referenced_files(manifest: Manifest) -> list[FileReference]:
    """Return every reference to a file, in order; a file named twice is there twice."""
    return [
        reference
        for index, task in enumerate(manifest.tasks)
        for reference in _of_task(task, f"manifest.tasks[{index}]")
    ]


def dataset_file_ids(manifest: Manifest) -> list[str]:
    """Return the distinct ids of all dataset files, in first-seen order."""
    datasets = (r for r in referenced_files(manifest) if r.use is FileUse.DATASET)
    return list(dict.fromkeys(reference.file_id for reference in datasets))


def dataset_format(filename: str) -> str | None:
    """Tell `jsonl` or `csv` from a file's name; None when the name does not tell."""
    return _DATASET_SUFFIXES.get(PurePosixPath(filename).suffix.lower())


def with_formats(manifest: Manifest, formats: Mapping[str, str]) -> Manifest:
    """Fill in the format of every dataset that has none.

    Args:
        manifest: A manifest.
        formats: From file id to `jsonl` or `csv`; ids that are missing stay without a format.
    """
    return manifest.model_copy(
        update={"tasks": tuple(_task_with_formats(task, formats) for task in manifest.tasks)}
    )


def auxiliary_datasets(task: Task) -> dict[str, Dataset]:
    """Return the further datasets of an `embedding` task, by the names of their fields."""
    return task.embedding.datasets if task.embedding is not None else {}


def _of_task(task: Task, path: str) -> Iterator[FileReference]:
    yield from _of_dataset(task.dataset, f"{path}.dataset.file_id")
    if task.fewshot is not None and task.fewshot.dataset is not None:
        yield from _of_dataset(task.fewshot.dataset, f"{path}.fewshot.dataset.file_id")
    for name, dataset in auxiliary_datasets(task).items():
        yield from _of_dataset(dataset, f"{path}.embedding.{name}.file_id")
    yield from _of_program(task.preprocess, FileUse.PREPROCESSOR, f"{path}.preprocess.file_id")
    yield from _of_program(task.grader, FileUse.GRADER, f"{path}.grader.file_id")


def _of_dataset(dataset: Dataset, path: str) -> Iterator[FileReference]:
    if dataset.file_id is not None:
        yield FileReference(
            path=path, file_id=dataset.file_id, use=FileUse.DATASET, format=dataset.format
        )


def _of_program(
    program: Grader | Preprocessor | None, use: FileUse, path: str
) -> Iterator[FileReference]:
    if program is not None and program.file_id is not None:
        yield FileReference(
            path=path,
            file_id=program.file_id,
            use=use,
            format="python",
            contract=program.contract,
        )


def _task_with_formats(task: Task, formats: Mapping[str, str]) -> Task:
    update: dict[str, object] = {"dataset": _dataset_with_format(task.dataset, formats)}
    if task.fewshot is not None and task.fewshot.dataset is not None:
        filled = _dataset_with_format(task.fewshot.dataset, formats)
        update["fewshot"] = task.fewshot.model_copy(update={"dataset": filled})
    if task.embedding is not None:
        further = auxiliary_datasets(task).items()
        formats_of = {name: _dataset_with_format(dataset, formats) for name, dataset in further}
        update["embedding"] = task.embedding.model_copy(update=formats_of)
    return task.model_copy(update=update)


def _dataset_with_format(dataset: Dataset, formats: Mapping[str, str]) -> Dataset:
    if dataset.file_id is None or dataset.format is not None:
        return dataset
    return dataset.model_copy(update={"format": formats.get(dataset.file_id)})
