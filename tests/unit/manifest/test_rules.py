from collections.abc import Callable, Mapping

import pytest

from manifest.schema import Manifest
from servicekit.errors import Violation

ParseTask = Callable[[Mapping[str, object]], Manifest]
ProblemsOfTask = Callable[[Mapping[str, object]], list[Violation]]


@pytest.mark.parametrize(
    ("dataset", "field"),
    [
        ({}, ""),
        ({"file_id": "f", "path": "p"}, ""),
        ({"file_id": "f", "source": "huggingface"}, ".source"),
        ({"path": "p", "source": "file"}, ".source"),
        ({"path": "p", "source": []}, ".source"),
        ({"path": "p", "format": "csv"}, ".format"),
        ({"file_id": "f", "split": "test"}, ".split"),
        ({"file_id": "f", "name": "main"}, ".name"),
        ({"file_id": "f", "revision": "main"}, ".revision"),
        ({"file_id": "f", "data_files": "a"}, ".data_files"),
        ({"file_id": "f", "dataset_kwargs": {}}, ".dataset_kwargs"),
        ({"file_id": ""}, ".file_id"),
        ({"file_id": 3}, ".file_id"),
        ({"path": "p", "data_files": {"test": [3]}}, ".data_files"),
        ({"path": "p", "data_files": []}, ".data_files"),
        ({"path": "p", "data_files": "x" * 1_025}, ".data_files"),
        ({"path": "a/../b"}, ".path"),
        ({"path": "a/b/c"}, ".path"),
        ({"path": "https://a/b"}, ".path"),
    ],
)
def test_a_dataset_that_contradicts_itself_is_refused(
    dataset: dict[str, object], field: str, problems_of_task: ProblemsOfTask
) -> None:
    found = problems_of_task({"dataset": dataset})

    assert [v.path for v in found] == [f"manifest.tasks[0].dataset{field}"]


@pytest.mark.parametrize(
    "dataset",
    [
        {"file_id": "f", "source": "file", "format": "csv", "max_rows": 5, "audio_column": "a"},
        {"path": "p", "data_files": "a.csv"},
        {"path": "openai/gsm8k", "data_files": "x" * 1_024},
        {"path": "p", "data_files": ["a.csv"]},
        {"path": "p", "data_files": {"test": "a.csv", "train": ["b.csv", "c.csv"]}},
        {"path": "p", "name": "main", "split": "test", "revision": "r", "dataset_kwargs": {"a": 1}},
    ],
)
def test_a_consistent_dataset_passes(
    dataset: dict[str, object], problems_of_task: ProblemsOfTask
) -> None:
    assert problems_of_task({"dataset": dataset}) == []


def test_the_source_is_inferred(parse_task: ParseTask) -> None:
    [file] = parse_task({"dataset": {"file_id": "f"}}).tasks
    [hub] = parse_task({"dataset": {"path": "p"}}).tasks

    assert (file.dataset.source, hub.dataset.source) == ("file", "huggingface")


@pytest.mark.parametrize("section", ["grader", "preprocess"])
@pytest.mark.parametrize("given", [{}, {"source": "", "file_id": "f"}])
def test_a_program_is_inline_or_a_file_and_never_both(
    section: str, given: dict[str, object], problems_of_task: ProblemsOfTask
) -> None:
    [problem] = problems_of_task({section: {"type": "python"} | given})

    assert problem.path == f"manifest.tasks[0].{section}"


@pytest.mark.parametrize("field", ["prompt_template", "grader"])
def test_prompt_and_grader_are_required(field: str, problems_of_task: ProblemsOfTask) -> None:
    [problem] = problems_of_task({field: None})

    assert problem.message == f"manifest.tasks[0].{field} is required"


def test_an_embedding_section_is_refused_on_other_types(problems_of_task: ProblemsOfTask) -> None:
    [problem] = problems_of_task({"embedding": {"kind": "sts"}})

    assert problem.path == "manifest.tasks[0].embedding"


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"num_fewshot": 3}, 3),
        ({"num_fewshot": 3, "fewshot": {"separator": "\n"}}, 3),
        ({"num_fewshot": 3, "fewshot": {"count": 3}}, 3),
        # The public client sends count 0 whenever it sends a fewshot object.
        ({"num_fewshot": 3, "fewshot": {"count": 0}}, 3),
        ({"fewshot": {"count": 2}}, 2),
        ({"num_fewshot": 0}, 0),
    ],
)
def test_num_fewshot_is_the_count_of_fewshot(
    changes: dict[str, object], count: int, parse_task: ParseTask
) -> None:
    [task] = parse_task(changes).tasks

    assert task.fewshot is not None
    assert task.fewshot.count == count


@pytest.mark.parametrize(("alias", "count"), [(3, 2), (0, 5)])
def test_two_different_example_counts_are_refused(
    alias: int, count: int, problems_of_task: ProblemsOfTask
) -> None:
    [problem] = problems_of_task({"num_fewshot": alias, "fewshot": {"count": count}})

    assert problem.path == "manifest.tasks[0].num_fewshot"
    assert f"is {alias}, but `fewshot.count` is {count}" in problem.message


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"num_fewshot": 1}, "target_template"),
        ({"fewshot": {"count": 1}}, "fewshot.target_template"),
    ],
)
def test_examples_need_a_target_template(
    changes: dict[str, object], path: str, problems_of_task: ProblemsOfTask
) -> None:
    [problem] = problems_of_task(changes | {"target_template": None})

    assert problem.path == f"manifest.tasks[0].{path}"


def test_the_examples_own_target_template_is_enough(problems_of_task: ProblemsOfTask) -> None:
    fewshot = {"count": 1, "target_template": "{{a}}"}

    assert problems_of_task({"target_template": None, "fewshot": fewshot}) == []


def test_metric_ids_differ_however_they_are_written(problems_of_task: ProblemsOfTask) -> None:
    [problem] = problems_of_task({"metrics": ["f1", {"id": "f1"}]})

    assert problem.path == "manifest.tasks[0].metrics[1].id"
