import json
from collections.abc import Mapping

import pytest

from manifest.parsing import ManifestInvalid, parse_manifest
from manifest.references import dataset_file_ids, with_formats
from manifest.schema import Manifest, normalised_json

FILE = {"file_id": "file_2"}
RANKING: dict[str, object] = {"corpus_dataset": FILE, "qrels_dataset": {"file_id": "file_3"}}


def parsed(embedding: object, **changes: object) -> Manifest:
    task: dict[str, object] = {"id": "t", "type": "embedding", "dataset": {"file_id": "file_1"}}
    task |= {"embedding": embedding} | changes
    given = {key: value for key, value in task.items() if value is not None}
    return parse_manifest(json.dumps({"tasks": [given]}).encode())


def problems(embedding: object, **changes: object) -> list[str]:
    try:
        parsed(embedding, **changes)
    except ManifestInvalid as invalid:
        return [violation.message for violation in invalid.violations]
    return []


def test_a_pair_task_needs_nothing_but_its_kind_and_gets_the_defaults() -> None:
    [task] = parsed({"kind": "sts"}).tasks

    assert task.embedding is not None
    assert task.embedding.model_dump(exclude_none=True) == {
        "kind": "sts",
        "text_column": "text",
        "text1_column": "sentence1",
        "text2_column": "sentence2",
        "score_column": "score",
        "label_column": "label",
        "id_column": "_id",
        "title_column": "title",
        "query_id_column": "query-id",
        "corpus_id_column": "corpus-id",
        "corpus_ids_column": "corpus-ids",
        "samples_per_label": 8,
        "n_experiments": 10,
        "seed": 42,
        "k_values": (1, 3, 5, 10, 100),
        "max_chars": 60000,
        "max_texts": 50000,
    }


def test_a_normalised_embedding_manifest_parses_to_an_equal_one() -> None:
    manifest = parsed({"kind": "reranking", "k_values": [3, 1]} | RANKING)

    assert parse_manifest(normalised_json(manifest)) == manifest


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"kind": "classification"}, ["train_dataset"]),
        ({"kind": "multilabel_classification"}, ["train_dataset"]),
        ({"kind": "retrieval"}, ["corpus_dataset", "qrels_dataset"]),
        ({"kind": "reranking", "corpus_dataset": FILE}, ["qrels_dataset"]),
    ],
)
def test_a_kind_needs_its_datasets(given: Mapping[str, object], missing: list[str]) -> None:
    assert problems(given) == [
        f'manifest.tasks[0].embedding.{name} is required for the kind "{given["kind"]}"'
        for name in missing
    ]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("sts", "train_dataset"),
        ("classification", "corpus_dataset"),
        ("retrieval", "top_ranked_dataset"),
    ],
)
def test_a_dataset_that_the_kind_would_not_read_is_refused(kind: str, name: str) -> None:
    needed = RANKING if kind == "retrieval" else {"train_dataset": FILE}
    given = {"kind": kind} | (needed if kind != "sts" else {}) | {name: FILE}

    assert problems(given) == [
        f'manifest.tasks[0].embedding.{name} has no use for the kind "{kind}"'
    ]


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("samples_per_label", 1, 1000),
        ("n_experiments", 1, 100),
        ("seed", 0, 2**32 - 1),
        ("max_chars", 1, 1_000_000),
        ("max_texts", 1, 50_000),
    ],
)
def test_numbers_have_bounds(field: str, low: int, high: int) -> None:
    path = f"manifest.tasks[0].embedding.{field}"

    assert problems({"kind": "sts", field: low}) == []
    assert problems({"kind": "sts", field: high}) == []
    assert problems({"kind": "sts", field: low - 1}) == [f"{path} must be at least {low}"]
    assert problems({"kind": "sts", field: high + 1}) == [f"{path} must be at most {high}"]


def test_cut_offs_are_one_to_twenty_different_whole_numbers() -> None:
    def with_values(*values: object) -> list[str]:
        return problems({"kind": "retrieval", "k_values": list(values)} | RANKING)

    path = "manifest.tasks[0].embedding.k_values"
    assert with_values(*range(1, 21)) == []
    assert with_values() == [f"{path} must have 1 to 20 entries, not 0"]
    assert with_values(*range(1, 22)) == [f"{path} must have 1 to 20 entries, not 21"]
    assert with_values(3, 3) == [f"{path}[1] is the same as k_values[0]"]
    assert with_values(0) == [f"{path}[0] must be at least 1"]
    assert with_values(1001) == [f"{path}[0] must be at most 1000"]
    assert with_values("1") == [f"{path}[0] must be a whole number"]


@pytest.mark.parametrize("column", ["", "x" * 256, 3])
def test_a_column_is_named_by_a_short_text(column: object) -> None:
    [problem] = problems({"kind": "sts", "text1_column": column})

    assert problem.startswith("manifest.tasks[0].embedding.text1_column must ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt_template", "{{text}}"),
        ("target_template", "{{score}}"),
        ("choices", ["a", "b"]),
        ("output_extraction", {"type": "number"}),
        ("grader", {"type": "python", "source": ""}),
        ("preprocess", {"type": "python", "source": ""}),
        ("num_fewshot", 0),
        ("language", "en"),
    ],
)
def test_what_is_for_prompts_is_refused(field: str, value: object) -> None:
    assert problems({"kind": "sts"}, **{field: value}) == [
        f'manifest.tasks[0].{field} has no use in a task of the type "embedding"'
    ]


def test_an_embedding_task_without_its_object_is_refused() -> None:
    assert problems(None) == ["manifest.tasks[0].embedding is required"]


@pytest.mark.parametrize("given", [3, [], "sts", {"kind": "clustering"}, {}, {"kind": ["sts"]}])
def test_an_object_of_another_shape_is_refused_and_nothing_breaks(given: object) -> None:
    assert problems(given)


def test_auxiliary_datasets_are_files_of_the_version_and_get_their_format() -> None:
    manifest = parsed({"kind": "retrieval"} | RANKING)

    assert dataset_file_ids(manifest) == ["file_1", "file_2", "file_3"]

    [task] = with_formats(manifest, {"file_2": "csv"}).tasks
    assert task.embedding is not None
    assert task.embedding.corpus_dataset is not None
    assert task.embedding.corpus_dataset.format == "csv"
