import pytest

from grader.domain.isolation import Isolation
from grader.domain.preparing import (
    ITEMS_MAX,
    EmptyDataset,
    Item,
    PrepareFailed,
    PrepareTask,
    PreprocessFailed,
    preprocess_isolation,
    preprocess_s,
    read_end,
    read_items,
)
from grader.domain.result import InvalidResult
from grader.domain.strict_json import Json


def item(**changes: Json) -> dict[str, Json]:
    plain: dict[str, Json] = {
        "sample_index": 0,
        "row": {"a": 1},
        "prompt": "p",
        "target": None,
        "choices": None,
        "error": None,
    }
    return plain | changes


def task(limit: float | None) -> PrepareTask:
    return PrepareTask(team_id="t", run_id="r", job=b"{}", digest="d", preprocess_s=limit)


def test_items_are_taken_in_their_order() -> None:
    items = read_items([item(sample_index=7), item(sample_index=8, choices=["a", "b"])], first=7)

    assert items[0] == Item(
        sample_index=7, row={"a": 1}, prompt="p", target=None, choices=None, error_message=""
    )
    assert items[1].choices == ["a", "b"]


def test_an_item_may_carry_the_error_of_its_templates() -> None:
    errors: list[Json] = [
        {"code": "template_error", "message": "m" * 5_000},
        {"code": "template_error", "message": ""},
    ]

    items = read_items(
        [item(sample_index=index, error=error) for index, error in enumerate(errors)], first=0
    )

    assert items[0].error_message == "m" * 1_000
    assert items[1].error_message


@pytest.mark.parametrize(
    "emitted",
    [
        None,
        {},
        [1],
        [item(sample_index=1)],
        [item(sample_index="0")],
        [item(row=[])],
        [item(prompt=1)],
        [item(prompt="x" * 5_000_000)],
        [item(target=1)],
        [item(choices="ab")],
        [item(choices=[1])],
        [item(error="bad")],
        [item(error={"code": "other", "message": "m"})],
        [item(error={"code": "template_error", "message": 1})],
    ],
)
def test_anything_else_is_no_group_of_items(emitted: Json) -> None:
    with pytest.raises(InvalidResult):
        read_items(emitted, first=0)


def test_a_preprocessor_cannot_make_rows_without_end() -> None:
    with pytest.raises(InvalidResult):
        read_items([item(sample_index=ITEMS_MAX)], first=ITEMS_MAX)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("prepare_failed", PrepareFailed),
        ("preprocess_failed", PreprocessFailed),
        ("empty_dataset", EmptyDataset),
    ],
)
def test_the_end_names_the_failure(code: str, kind: type[PrepareFailed]) -> None:
    failure = read_end({"code": code, "message": "why"})

    assert type(failure) is kind
    assert failure.message == "why"


def test_an_end_without_a_word_is_success() -> None:
    assert read_end(None) is None


@pytest.mark.parametrize(
    "result", [1, {"code": "x", "message": "m"}, {"code": "prepare_failed"}, {"code": 1}]
)
def test_an_end_that_cannot_be_read_is_refused(result: Json) -> None:
    with pytest.raises(InvalidResult):
        read_end(result)


@pytest.mark.parametrize(
    ("task_json", "limit"),
    [
        (b"{}", None),
        (b'{"preprocess":null}', None),
        (b'{"preprocess":{"timeout_seconds":3}}', 3.0),
        (b'{"preprocess":{}}', 120.0),
    ],
)
def test_a_preprocessor_has_its_own_time(task_json: bytes, limit: float | None) -> None:
    assert preprocess_s(task_json) == limit


@pytest.mark.parametrize("task_json", [b"", b"[]", b'{"a":1,"a":2}'])
def test_a_task_that_cannot_be_read_is_refused(task_json: bytes) -> None:
    with pytest.raises(PrepareFailed):
        preprocess_s(task_json)


@pytest.mark.parametrize(
    ("task_json", "isolation"),
    [
        (b'{"preprocess":{"isolation":"files"}}', Isolation.FILES),
        (b'{"preprocess":{"isolation":"fresh"}}', Isolation.FRESH),
        (b'{"preprocess":{"isolation":"preload"}}', Isolation.FRESH),
        (b'{"preprocess":{}}', Isolation.FRESH),
        (b'{"isolation":"files"}', Isolation.FRESH),
    ],
)
def test_a_preprocessor_writes_files_only_if_it_asks_to(
    task_json: bytes, isolation: Isolation
) -> None:
    assert preprocess_isolation(task_json) is isolation


def test_time_and_blame_depend_on_the_preprocessor() -> None:
    assert task(None).limits(1).wall_s == 60.0
    assert task(5.0).limits(1).wall_s == 65.0
    assert type(task(None).failed("x")) is PrepareFailed
    assert type(task(5.0).failed("x")) is PreprocessFailed
