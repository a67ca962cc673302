import json
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifest.parsing import MANIFEST_BYTES_MAX, ManifestInvalid, parse_manifest
from manifest.problem import VIOLATIONS_MAX
from manifest.schema import Manifest, normalised_json
from servicekit.errors import Kind, Violation

ParseTask = Callable[[Mapping[str, object]], Manifest]
ProblemsOfTask = Callable[[Mapping[str, object]], list[Violation]]


def test_every_problem_of_a_bad_manifest_is_reported_at_once() -> None:
    bad = {
        "tasks": [
            {"id": "a b", "type": "essay", "dataset": {}, "output_extraction": {"type": "regex"}},
            {"id": "x", "type": "transcription", "dataset": {"path": "p"}},
            {"id": "x", "type": "qa", "dataset": {"path": "p", "file_id": "f"}, "grader": 3},
            "not a task",
        ],
        "colour": "red",
    }

    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(json.dumps(bad).encode())

    assert {(v.path, v.reason) for v in caught.value.violations} == {
        ("manifest.tasks[0].id", "INVALID_MANIFEST"),
        ("manifest.tasks[0].type", "INVALID_MANIFEST"),
        ("manifest.tasks[0].dataset", "INVALID_MANIFEST"),
        ("manifest.tasks[0].output_extraction.pattern", "INVALID_MANIFEST"),
        ("manifest.tasks[0].prompt_template", "INVALID_MANIFEST"),
        ("manifest.tasks[0].grader", "INVALID_MANIFEST"),
        ("manifest.tasks[1].dataset.audio_column", "INVALID_MANIFEST"),
        ("manifest.tasks[1].grader", "INVALID_MANIFEST"),
        ("manifest.tasks[2].dataset", "INVALID_MANIFEST"),
        ("manifest.tasks[2].grader", "INVALID_MANIFEST"),
        ("manifest.tasks[2].prompt_template", "INVALID_MANIFEST"),
        ("manifest.tasks[2].id", "DUPLICATE_TASK_ID"),
        ("manifest.tasks[3]", "INVALID_MANIFEST"),
        ("manifest.colour", "UNKNOWN_FIELD"),
    }


def test_the_error_takes_reason_and_param_from_its_first_problem(
    task: dict[str, object],
) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(json.dumps({"tasks": [task, task]}).encode())

    assert caught.value.kind is Kind.INVALID_ARGUMENT
    assert caught.value.reason == "DUPLICATE_TASK_ID"
    assert caught.value.metadata["param"] == "manifest.tasks[1].id"


def test_a_sentence_names_the_place_and_the_rule(problems_of_task: ProblemsOfTask) -> None:
    [problem] = problems_of_task({"output_extraction": {"type": "take_first", "lines": 0}})

    assert problem.message == "manifest.tasks[0].output_extraction.lines must be at least 1"


@pytest.mark.parametrize(
    "place",
    [
        {"colour": 1},
        {"dataset": {"file_id": "f", "colour": 1}},
        {"grader": {"type": "python", "source": "", "colour": 1}},
        {"metrics": [{"id": "m", "colour": 1}]},
        {"fewshot": {"colour": 1}},
        {"output_extraction": {"type": "number", "colour": 1}},
        {"preprocess": {"type": "python", "source": "", "colour": None}},
    ],
)
def test_an_unknown_key_is_refused_at_every_level(
    place: dict[str, object], problems_of_task: ProblemsOfTask
) -> None:
    [problem] = problems_of_task(place)

    assert problem.reason == "UNKNOWN_FIELD"
    assert problem.path.endswith(".colour")


@pytest.mark.parametrize(
    ("section", "known"),
    [("grader", ["fresh", "preload", "files"]), ("preprocess", ["fresh", "files"])],
)
def test_an_unknown_isolation_is_refused_by_its_path(
    section: str, known: list[str], problems_of_task: ProblemsOfTask
) -> None:
    [problem] = problems_of_task({section: {"type": "python", "source": "", "isolation": "none"}})

    assert problem.path == f"manifest.tasks[0].{section}.isolation"
    assert all(f"{word!r}" in problem.message for word in known)


@pytest.mark.parametrize(
    ("key", "meant"), [("few_shot", "fewshot"), ("Dataset", "dataset"), ("metric", "metrics")]
)
def test_a_misspelt_key_is_told_what_was_meant(
    key: str, meant: str, problems_of_task: ProblemsOfTask
) -> None:
    [problem] = problems_of_task({key: 1})

    assert f"did you mean `{meant}`?" in problem.message


def test_a_key_like_no_other_gets_no_guess(problems_of_task: ProblemsOfTask) -> None:
    [problem] = problems_of_task({"colour" * 100_000: 1})

    assert "mean" not in problem.message


def test_problems_of_the_json_come_together_with_problems_of_the_manifest() -> None:
    raw = b'{"tasks": [{"id": "a", "id": "b"}], "metadata": {"x": NaN}}'

    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(raw)

    paths = {v.path for v in caught.value.violations}
    assert {"manifest.tasks[0].id", "manifest.metadata.x", "manifest.tasks[0].dataset"} <= paths


def test_a_null_counts_as_a_key_left_out(parse_task: ParseTask, task: dict[str, object]) -> None:
    nulls = {"name": None, "choices": None, "fewshot": None, "output_extraction": None}
    raw = json.dumps({"tasks": [task | nulls], "metadata": None}).encode()

    assert parse_manifest(raw) == parse_task({})


def test_metadata_keeps_its_nulls_and_nesting(parse_task: ParseTask) -> None:
    metadata = {"a": None, "b": [None, {"c": 1.5}]}

    manifest = parse_task({"metadata": metadata})

    [task] = json.loads(normalised_json(manifest))["tasks"]
    assert task["metadata"] == metadata


def test_a_manifest_one_byte_too_large_is_refused(task: dict[str, object]) -> None:
    raw = json.dumps({"tasks": [task]}).encode()

    parse_manifest(raw.ljust(MANIFEST_BYTES_MAX))
    with pytest.raises(ManifestInvalid, match="bytes"):
        parse_manifest(raw.ljust(MANIFEST_BYTES_MAX + 1))


KEYS = st.sampled_from(
    [
        "tasks",
        "id",
        "type",
        "dataset",
        "file_id",
        "path",
        "source",
        "metrics",
        "grader",
        "fewshot",
        "count",
        "num_fewshot",
        "choices",
        "output_extraction",
        "labels",
        "pattern",
        "group",
        "flags",
        "contract",
        "metadata",
        "schema_version",
    ]
)
VALUES = st.sampled_from(["qa", "python", "regex", "label_set", "file", "a", "", "f"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | VALUES | st.text(max_size=3),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(KEYS, children),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, ANYTHING))
def test_whatever_is_sent_is_a_manifest_or_a_list_of_problems(document: dict[str, object]) -> None:
    outcome = outcome_of(json.dumps(document).encode())

    assert isinstance(outcome, Manifest) or outcome.violations


def outcome_of(raw: bytes) -> Manifest | ManifestInvalid:
    try:
        return parse_manifest(raw)
    except ManifestInvalid as error:
        return error


def junk(entries: int, entry: bytes) -> bytes:
    return b"[" + b",".join([entry] * entries) + b"]"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b'{"tasks":%s}' % junk(45_000, b"{}"), "must have 1 to 100 entries, not 45000"),
        (b'{"tasks":[{"metrics":%s}]}' % junk(101, b"{}"), "must have 0 to 100 entries, not 101"),
        (b'{"tasks":%s}' % junk(1_390_000, b"{}"), "manifest.tasks has more than 100000 values"),
    ],
    ids=["tasks", "metrics", "values"],
)
def test_a_list_is_refused_by_its_length_and_no_entry_is_looked_at(
    raw: bytes, problem: str
) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(raw)

    violations = caught.value.violations
    assert any(problem in violation.message for violation in violations)
    assert not any(violation.path.startswith("manifest.tasks[1]") for violation in violations)
    assert caught.value.sound is None or len(caught.value.sound.tasks) <= 100


def test_a_manifest_with_more_problems_than_are_told_is_not_looked_at_further() -> None:
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(b'{"tasks":%s}' % junk(60, b"{}"))

    assert len(caught.value.violations) == VIOLATIONS_MAX + 1
    assert caught.value.sound is None
