from collections.abc import Mapping, Sequence
from typing import Any

from manifest.parsing import parse_manifest
from manifest.schema import Task, normalised_json
from orchestrator.domain.failure import Failure
from orchestrator.domain.work import FileFacts
from orchestrator.usecases.task_sources import TaskSources, task_sources

FAILURE = Failure(code="dataset_error", message="line 2 is not JSON", stage="prepare")


class KnownFiles:
    """Files by id, under names; whoever asks for one that is not there gets nothing for it."""

    def __init__(self, **names: str) -> None:
        self._names = names

    async def lookup(self, file_ids: Sequence[str]) -> Mapping[str, FileFacts]:
        found = {file_id: self._names[file_id] for file_id in file_ids if file_id in self._names}
        return {
            file_id: FileFacts(filename=name, purpose="evals", size_bytes=1)
            for file_id, name in found.items()
        }

    async def read(self, file_id: str, *, bytes_max: int) -> bytes:
        raise NotImplementedError


def task(**changes: Any) -> Task:
    fields: dict[str, Any] = {
        "id": "sums",
        "type": "qa",
        "dataset": {"file_id": "file_a"},
        "prompt_template": "{{q}}",
        "target_template": "{{a}}",
        "grader": {"type": "python", "source": "def grade(sample, item): return 1"},
        **changes,
    }
    raw = normalised_json(Task.model_validate(fields))
    (parsed,) = parse_manifest(b'{"tasks": [' + raw + b"]}").tasks
    return parsed


async def message(subject: Task, **names: str) -> str:
    sources = await task_sources([subject], KnownFiles(**names))
    return sources.task_failure(FAILURE, subject).failure.message


async def test_a_failure_names_the_task_and_the_file_with_its_name() -> None:
    said = await message(task(), file_a="rows.jsonl")

    assert said == "task sums, dataset file_a (rows.jsonl): line 2 is not JSON"


async def test_a_deleted_file_is_named_by_its_id() -> None:
    assert await message(task()) == "task sums, dataset file_a: line 2 is not JSON"


async def test_a_failure_of_rows_names_the_few_shot_dataset_too() -> None:
    with_examples = task(fewshot={"count": 1, "dataset": {"file_id": "file_b"}})

    said = await message(with_examples, file_a="rows.jsonl", file_b="shots.csv")

    assert said == (
        "task sums, dataset file_a (rows.jsonl), few-shot dataset file_b (shots.csv): "
        "line 2 is not JSON"
    )


async def test_a_few_shot_dataset_that_is_not_used_is_not_named() -> None:
    unused = task(fewshot={"count": 0, "dataset": {"file_id": "file_b"}})

    assert "file_b" not in await message(unused, file_b="shots.csv")


async def test_a_failure_of_one_dataset_names_that_one_only() -> None:
    subject = task(fewshot={"count": 1, "dataset": {"file_id": "file_b"}})
    assert subject.fewshot is not None
    assert subject.fewshot.dataset is not None
    sources = TaskSources({"file_a": "rows.jsonl", "file_b": "shots.csv"})

    failed = sources.dataset_failure(FAILURE, subject, subject.fewshot.dataset)

    assert failed.failure.message == (
        "task sums, few-shot dataset file_b (shots.csv): line 2 is not JSON"
    )
    assert (failed.failure.code, failed.failure.stage) == ("dataset_error", "prepare")
