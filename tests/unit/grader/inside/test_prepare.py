"""Rows prepared into items."""

import json
from collections.abc import Iterator
from itertools import count

import pytest

from grader.inside.jobs import Item, JsonObject, PrepareJob, Task
from grader.inside.prepare import prepare
from grader.inside.preprocess import PrepareError

TASK: Task = {"id": "sums", "prompt_template": "{{ q }}=", "target_template": "{{ a }}"}


def rows(number: int) -> list[JsonObject]:
    return [{"q": f"q{place}", "a": place} for place in range(number)]


def prepared(
    task: Task, own: list[JsonObject], others: list[JsonObject] | None = None
) -> list[Item]:
    return list(prepare({"task": task}, own, others or []))


def test_a_row_becomes_an_item() -> None:
    assert prepared({**TASK, "choices": ["x", "{{ q }}"]}, rows(2)) == [
        {
            "sample_index": place,
            "row": {"q": f"q{place}", "a": place},
            "prompt": f"q{place}=",
            "target": str(place),
            "choices": ["x", f"q{place}"],
            "error": None,
        }
        for place in range(2)
    ]


def test_a_row_that_cannot_be_rendered_is_an_item_with_an_error() -> None:
    items = prepared(TASK, [*rows(1), {"q": "only"}, *rows(1)])

    assert [item["error"] for item in items] == [
        None,
        {"code": "template_error", "message": "target_template: line 1: 'a' is undefined"},
        None,
    ]
    assert (items[1]["prompt"], items[1]["row"]) == ("", {"q": "only"})


def test_rows_are_numbered_and_capped_after_preprocessing() -> None:
    task: Task = {
        **TASK,
        "preprocess": {"source": "def transform(row): return row if row['a'] % 2 else None"},
    }
    job: PrepareJob = {"task": task, "max_items": 2}

    items = list(prepare(job, rows(9), []))

    assert [(item["sample_index"], item["target"]) for item in items] == [(0, "1"), (1, "3")]


def test_items_come_while_rows_go_in() -> None:
    endless: Iterator[JsonObject] = ({"q": "x", "a": place} for place in count())

    items = prepare({"task": TASK, "max_items": 3}, endless, [])

    assert [item["target"] for item in items] == ["0", "1", "2"]
    assert next(endless)["a"] == 3


def test_rows_past_the_limit_may_still_be_examples() -> None:
    job: PrepareJob = {"task": {**TASK, "fewshot": {"count": 2}}, "max_items": 1}

    items = list(prepare(job, rows(5), []))

    assert [item["prompt"] for item in items] == ["q1=\n1\n\nq2=\n2\n\nq0="]


def test_example_rows_are_preprocessed_like_the_others() -> None:
    task: Task = {
        **TASK,
        "preprocess": {
            "source": "def transform_batch(rows): return [{**r, 'q': len(rows)} for r in rows]",
            "contract": "batch",
        },
        "fewshot": {"count": 1, "dataset": {"file_id": "other"}},
    }

    items = prepared(task, rows(2), rows(3))

    assert items[0]["prompt"] == "3=\n0\n\n2="


def test_a_batch_preprocessor_is_not_called_for_example_rows_that_nobody_asked_for() -> None:
    source = "def transform_batch(rows): return [{**r, 'a': 1 // len(rows)} for r in rows or 1 / 0]"
    task: Task = {**TASK, "preprocess": {"source": source, "contract": "batch"}}

    assert len(prepared(task, rows(1))) == 1


def test_all_example_rows_are_read_before_the_first_own_row() -> None:
    read: list[str] = []

    def reading(name: str, number: int) -> Iterator[JsonObject]:
        for row in rows(number):
            read.append(name)
            yield row

    task: Task = {**TASK, "fewshot": {"count": 1, "dataset": {"file_id": "other"}}}
    list(prepare({"task": task}, reading("own", 2), reading("example", 5)))

    assert read == ["example"] * 5 + ["own"] * 2


def test_the_items_are_json() -> None:
    items = prepared({**TASK, "fewshot": {"count": 1, "strategy": "random"}}, rows(3))

    assert json.loads(json.dumps(items)) == items


@pytest.mark.parametrize(
    ("task", "own", "code", "message"),
    [
        (TASK, [], "empty_dataset", "there are no rows"),
        (
            {**TASK, "preprocess": {"source": "def transform(row): return None"}},
            rows(2),
            "empty_dataset",
            "none is left",
        ),
        (
            {**TASK, "preprocess": {"source": "def transform(row): return 1"}},
            rows(2),
            "preprocess_failed",
            "not a dict",
        ),
        ({**TASK, "prompt_template": "{{"}, rows(1), "prepare_failed", "unexpected"),
        (
            {**TASK, "fewshot": {"count": 1, "example_template": "{% x %}"}},
            rows(1),
            "prepare_failed",
            "unknown tag",
        ),
    ],
)
def test_what_fails_a_whole_task_is_told(
    task: Task, own: list[JsonObject], code: str, message: str
) -> None:
    with pytest.raises(PrepareError) as raised:
        prepared(task, own)

    assert raised.value.code == code
    assert message in raised.value.message
