import json
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifest.parsing import ManifestInvalid, parse_manifest
from manifest.schema import SOURCE_BYTES_MAX, Manifest, Task, normalised_json
from manifest.section import LIST_LENGTH_MAX, TEXT_CHARS_MAX
from servicekit.errors import Violation

ParseTask = Callable[[Mapping[str, object]], Manifest]
ProblemsOfTask = Callable[[Mapping[str, object]], list[Violation]]


def only(manifest: Manifest) -> Task:
    [task] = manifest.tasks
    return task


def grader(**changes: object) -> dict[str, object]:
    return {"grader": {"type": "python", "source": ""} | changes}


def dataset(**changes: object) -> dict[str, object]:
    return {"dataset": {"file_id": "f"} | changes}


def preprocess(**changes: object) -> dict[str, object]:
    return {"preprocess": {"type": "python", "source": ""} | changes}


@pytest.mark.parametrize(
    ("path", "inside", "outside"),
    [
        ("id", {"id": "x" * 128}, {"id": "x" * 129}),
        ("id", {"id": "A9_.-"}, {"id": "a/b"}),
        ("id", {"id": "x"}, {"id": ""}),
        ("id", {"id": "x"}, {"id": "é"}),
        ("id", {"id": "x"}, {"id": "x\n"}),
        ("name", {"name": "x" * 255}, {"name": "x" * 256}),
        (
            "prompt_template",
            {"prompt_template": "x" * TEXT_CHARS_MAX},
            {"prompt_template": "x" * (TEXT_CHARS_MAX + 1)},
        ),
        ("choices", {"choices": ["a", "b"]}, {"choices": ["a"]}),
        (
            "choices",
            {"choices": ["a"] * LIST_LENGTH_MAX},
            {"choices": ["a"] * (LIST_LENGTH_MAX + 1)},
        ),
        ("dataset.max_rows", dataset(max_rows=1), dataset(max_rows=0)),
        ("dataset.max_rows", dataset(max_rows=1_000_000), dataset(max_rows=1_000_001)),
        ("dataset.max_rows", dataset(max_rows=2.0), dataset(max_rows=2.5)),
        ("grader.timeout_seconds", grader(timeout_seconds=1), grader(timeout_seconds=0)),
        ("grader.timeout_seconds", grader(timeout_seconds=600), grader(timeout_seconds=601)),
        ("grader.max_model_calls", grader(max_model_calls=0), grader(max_model_calls=-1)),
        ("grader.max_model_calls", grader(max_model_calls=500), grader(max_model_calls=501)),
        ("grader.metric_id", grader(metric_id="x" * 128), grader(metric_id="x" * 129)),
        ("grader.metric_id", grader(metric_id="x"), grader(metric_id="")),
        (
            "grader.source",
            grader(source="é" * (SOURCE_BYTES_MAX // 2)),
            grader(source="é" * (SOURCE_BYTES_MAX // 2) + "x"),
        ),
        ("preprocess.timeout_seconds", preprocess(), preprocess(timeout_seconds=601)),
        ("preprocess.contract", preprocess(contract="batch"), preprocess(contract="sample")),
        ("fewshot.count", {"fewshot": {"count": 100}}, {"fewshot": {"count": 101}}),
        ("fewshot.count", {"fewshot": {"count": 0}}, {"fewshot": {"count": -1}}),
        ("num_fewshot", {"num_fewshot": 100}, {"num_fewshot": 101}),
        ("num_fewshot", {"num_fewshot": 0}, {"num_fewshot": -1}),
        ("metrics[0].id", {"metrics": ["x" * 128]}, {"metrics": ["x" * 129]}),
        ("metrics[0].id", {"metrics": [{"id": "x"}]}, {"metrics": [""]}),
        (
            "output_extraction.lines",
            {"output_extraction": {"type": "take_first", "lines": 1}},
            {"output_extraction": {"type": "take_first", "lines": 0}},
        ),
        (
            "output_extraction.labels",
            {"output_extraction": {"type": "label_set", "labels": ["a"]}},
            {"output_extraction": {"type": "label_set", "labels": []}},
        ),
        (
            "output_extraction.labels",
            {"output_extraction": {"type": "label_set", "labels": [str(n) for n in range(1000)]}},
            {"output_extraction": {"type": "label_set", "labels": [str(n) for n in range(1001)]}},
        ),
    ],
)
def test_a_limit_holds_from_one_side_and_gives_way_on_the_other(
    path: str,
    inside: dict[str, object],
    outside: dict[str, object],
    problems_of_task: ProblemsOfTask,
) -> None:
    assert problems_of_task(inside) == []
    assert [v.path for v in problems_of_task(outside)] == [f"manifest.tasks[0].{path}"]


@pytest.mark.parametrize(("count", "good"), [(0, False), (1, True), (100, True), (101, False)])
def test_a_manifest_has_1_to_100_tasks(count: int, good: bool, task: dict[str, object]) -> None:  # noqa: FBT001
    raw = json.dumps({"tasks": [task | {"id": f"t{n}"} for n in range(count)]}).encode()

    if good:
        assert len(parse_manifest(raw).tasks) == count
        return
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(raw)
    assert [v.path for v in caught.value.violations] == ["manifest.tasks"]


def test_defaults_are_filled_in(parse_task: ParseTask) -> None:
    manifest = parse_task({"fewshot": {}, "metrics": ["exact_match"]})

    task = only(manifest)
    assert manifest.schema_version == "2026-05-27"
    assert task.dataset.source == "file"
    assert task.output_extraction.type == "none"
    assert task.fewshot is not None
    assert task.fewshot.example_template == "{{prompt}}\n{{target}}"
    assert task.fewshot.separator == "\n\n"
    assert task.metrics is not None
    assert task.metrics[0].aggregation == "mean"
    assert task.metrics[0].higher_is_better is True


def test_a_bare_metric_is_the_metric_with_that_id(parse_task: ParseTask) -> None:
    assert parse_task({"metrics": ["f1"]}) == parse_task({"metrics": [{"id": "f1"}]})


@pytest.mark.parametrize(
    ("contract", "execution", "model_access"),
    [
        ("sample", "per_sample", "none"),
        ("batch", "aggregate", "none"),
        ("model_backed", None, "mka1"),
    ],
)
def test_execution_and_model_access_follow_from_the_contract(
    contract: str, execution: str | None, model_access: str, parse_task: ParseTask
) -> None:
    found = only(parse_task(grader(contract=contract))).grader

    assert found is not None
    assert (found.execution, found.model_access) == (execution, model_access)


def test_an_explicit_execution_and_model_access_stay(parse_task: ParseTask) -> None:
    changes = grader(contract="model_backed", execution="aggregate", model_access="none")

    found = only(parse_task(changes)).grader

    assert found is not None
    assert (found.execution, found.model_access) == ("aggregate", "none")


def test_executions_start_fresh_unless_asked_for_otherwise(parse_task: ParseTask) -> None:
    found = only(parse_task(grader())).grader

    assert found is not None
    assert found.isolation == "fresh"


def test_normalised_json_has_no_empty_keys(parse_task: ParseTask) -> None:
    [task] = json.loads(normalised_json(parse_task({})))["tasks"]

    assert "choices" not in task
    assert None not in task.values()


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
NAMES = st.text("abc_.-9", min_size=1, max_size=8)


def section(required: dict[str, object], optional: dict[str, object]) -> st.SearchStrategy[object]:
    return st.fixed_dictionaries(
        {k: v if isinstance(v, st.SearchStrategy) else st.just(v) for k, v in required.items()},
        optional={
            k: v if isinstance(v, st.SearchStrategy) else st.just(v) for k, v in optional.items()
        },
    )


DATASETS = section(
    {"file_id": NAMES},
    {
        "source": "file",
        "format": st.sampled_from(["jsonl", "csv"]),
        "max_rows": st.integers(1, 10**6),
    },
) | section(
    {"path": NAMES.map("team/x{}".format).filter(lambda name: ".." not in name)},
    {"split": NAMES, "data_files": NAMES | st.lists(NAMES, min_size=1, max_size=2)},
)
EXTRACTIONS = st.one_of(
    section({"type": "none"}, {}),
    section({"type": "take_first"}, {"lines": st.integers(1, 9)}),
    section(
        {"type": st.sampled_from(["regex", "regex_last"]), "pattern": TEXT},
        {"group": st.integers(0, 9) | NAMES, "flags": st.text("imsxgu", max_size=3)},
    ),
    section({"type": "label_set", "labels": st.just(["yes", "no"])}, {"case_sensitive": True}),
    section({"type": "number"}, {}),
)
GRADERS = section(
    {"type": "python", "source": TEXT},
    {
        "contract": st.sampled_from(["sample", "batch", "model_backed"]),
        "execution": st.sampled_from(["per_sample", "aggregate"]),
        "model_access": st.sampled_from(["none", "mka1"]),
        "timeout_seconds": st.integers(1, 600),
        "max_model_calls": st.integers(0, 500),
        "isolation": st.sampled_from(["fresh", "preload", "files"]),
    },
)
FEWSHOTS = section({}, {"count": st.just(3), "separator": TEXT, "seed": st.integers(-9, 9)})
TASKS = section(
    {
        "id": NAMES,
        "type": st.sampled_from(["qa", "math", "custom"]),
        "dataset": DATASETS,
        "prompt_template": TEXT,
        "target_template": TEXT,
        "grader": GRADERS,
    },
    {
        "output_extraction": EXTRACTIONS,
        "metrics": st.lists(NAMES, unique=True, max_size=3),
        "fewshot": FEWSHOTS,
        "num_fewshot": st.just(3),
        "choices": st.lists(TEXT, min_size=2, max_size=3),
        "metadata": st.dictionaries(TEXT, st.none() | st.integers(-9, 9) | TEXT, max_size=2),
    },
)


@given(st.lists(TASKS, min_size=1, max_size=3, unique_by=lambda task: task["id"]))  # type: ignore[index]
def test_parsing_what_was_normalised_changes_nothing(tasks: list[object]) -> None:
    first = parse_manifest(json.dumps({"tasks": tasks}).encode())

    second = parse_manifest(normalised_json(first))

    assert second == first
    assert normalised_json(second) == normalised_json(first)
