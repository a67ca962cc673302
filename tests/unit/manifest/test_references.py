from collections.abc import Callable, Mapping

import pytest

from manifest.references import (
    FileReference,
    FileUse,
    dataset_file_ids,
    dataset_format,
    referenced_files,
    with_formats,
)
from manifest.schema import Manifest

ParseTask = Callable[[Mapping[str, object]], Manifest]

EVERYWHERE: dict[str, object] = {
    "dataset": {"file_id": "d1", "format": "csv"},
    "fewshot": {"dataset": {"file_id": "d2"}},
    "preprocess": {"type": "python", "file_id": "p"},
    "grader": {"type": "python", "file_id": "g", "contract": "batch"},
}


def test_every_reference_to_a_file_is_found(parse_task: ParseTask) -> None:
    found = referenced_files(parse_task(EVERYWHERE))

    path = "manifest.tasks[0]"
    assert found == [
        FileReference(
            path=f"{path}.dataset.file_id", file_id="d1", use=FileUse.DATASET, format="csv"
        ),
        FileReference(
            path=f"{path}.fewshot.dataset.file_id", file_id="d2", use=FileUse.DATASET, format=None
        ),
        FileReference(
            path=f"{path}.preprocess.file_id",
            file_id="p",
            use=FileUse.PREPROCESSOR,
            format="python",
            contract="row",
        ),
        FileReference(
            path=f"{path}.grader.file_id",
            file_id="g",
            use=FileUse.GRADER,
            format="python",
            contract="batch",
        ),
    ]


def test_dataset_ids_are_distinct_and_in_order(parse_task: ParseTask) -> None:
    same = EVERYWHERE | {"fewshot": {"dataset": {"file_id": "d1"}}}

    assert dataset_file_ids(parse_task(EVERYWHERE)) == ["d1", "d2"]
    assert dataset_file_ids(parse_task(same)) == ["d1"]


def test_a_hub_dataset_refers_to_no_file(parse_task: ParseTask) -> None:
    assert dataset_file_ids(parse_task({"dataset": {"path": "p"}})) == []


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("rows.jsonl", "jsonl"),
        ("rows.NDJSON", "jsonl"),
        ("a.b.csv", "csv"),
        ("rows.json", None),
        ("csv", None),
    ],
)
def test_a_name_tells_the_format(filename: str, expected: str | None) -> None:
    assert dataset_format(filename) == expected


def test_formats_are_filled_in_where_the_manifest_has_none(parse_task: ParseTask) -> None:
    filled = with_formats(parse_task(EVERYWHERE), {"d1": "jsonl", "d2": "jsonl"})

    assert [r.format for r in referenced_files(filled)][:2] == ["csv", "jsonl"]
