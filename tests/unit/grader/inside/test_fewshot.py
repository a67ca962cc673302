"""Worked examples in front of a prompt."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.inside.fewshot import Examples, has_dataset, with_examples
from grader.inside.jobs import Fewshot, JsonObject, Task
from grader.inside.templates import TemplateFailedError


def task(fewshot: Fewshot) -> Task:
    return {
        "id": "sums",
        "dataset": {"source": "file", "file_id": "f"},
        "prompt_template": "{{ q }}=",
        "target_template": "{{ a }}",
        "fewshot": fewshot,
    }


def rows(count: int) -> list[JsonObject]:
    return [{"q": f"q{place}", "a": place} for place in range(count)]


def examples(fewshot: Fewshot, count: int, *, own: bool) -> Examples:
    pool = [json.dumps(row).encode() for row in rows(count)]
    return Examples(task(fewshot), pool, pool_is_own=own)


def test_examples_stand_before_the_prompt() -> None:
    shots = examples({"count": 2}, 5, own=False)

    assert shots.prompt("now=", 0) == "q0=\n0\n\nq1=\n1\n\nnow="


def test_templates_and_separator_can_be_their_own() -> None:
    fewshot: Fewshot = {
        "count": 1,
        "prompt_template": "Q {{ q }}",
        "target_template": "A {{ a }} of {{ task_id }}",
        "example_template": "<{{ prompt }}|{{ target }}|{{ q }}>",
        "separator": "--",
    }

    assert examples(fewshot, 1, own=False).prompt("now", 0) == "<Q q0|A 0 of sums|q0>--now"


def test_the_first_examples_skip_the_row_itself() -> None:
    shots = examples({"count": 2}, 3, own=True)

    assert [shots.places(index) for index in range(4)] == [[1, 2], [0, 2], [0, 1], [0, 1]]


def test_rows_of_another_dataset_are_not_skipped() -> None:
    assert examples({"count": 2}, 3, own=False).places(0) == [0, 1]


@pytest.mark.parametrize("strategy", ["first", "random"])
def test_fewer_rows_than_asked_for_are_all_used(strategy: str) -> None:
    shots = examples({"count": 9, "strategy": strategy}, 3, own=True)

    assert sorted(shots.places(1)) == [0, 2]


def test_without_other_rows_the_prompt_stands_alone() -> None:
    assert examples({"count": 3}, 1, own=True).prompt("now=", 0) == "now="


@given(st.integers(1, 30), st.integers(0, 40), st.integers(1, 20), st.integers())
def test_random_examples_are_different_others_and_repeatable(
    available: int, index: int, count: int, seed: int
) -> None:
    fewshot: Fewshot = {"count": count, "strategy": "random", "seed": seed}
    shots = examples(fewshot, available, own=True)

    places = shots.places(index)

    assert places == examples(fewshot, available, own=True).places(index)
    assert len(set(places)) == len(places) == min(count, available - (index < available))
    assert index not in places
    assert all(0 <= place < available for place in places)


def test_random_examples_depend_on_seed_and_row() -> None:
    def drawn(seed: int, index: int) -> list[int]:
        fewshot: Fewshot = {"count": 5, "strategy": "random", "seed": seed}
        return examples(fewshot, 1_000, own=False).places(index)

    assert drawn(0, 0) != drawn(1, 0)
    assert drawn(0, 0) != drawn(0, 1)


def test_an_example_that_cannot_be_rendered_is_named() -> None:
    shots = examples({"count": 1, "prompt_template": "{{ missing }}"}, 2, own=False)

    with pytest.raises(TemplateFailedError, match="few-shot example 0: prompt_template: line 1"):
        shots.prompt("now", 0)


def test_a_prompt_that_grows_too_large_by_its_examples_fails() -> None:
    shots = examples({"count": 2, "prompt_template": "{{ 'x' * 600000 }}"}, 2, own=False)

    with pytest.raises(TemplateFailedError, match="more than 1048576 bytes"):
        shots.prompt("now", 0)


def test_no_examples_need_no_pool() -> None:
    shots, own = with_examples(task({"count": 0}), iter(rows(2)), iter([]))

    assert shots is None
    assert list(own) == rows(2)


def test_a_dataset_of_examples_is_read_as_far_as_it_is_needed() -> None:
    others = iter(rows(10))
    fewshot: Fewshot = {"count": 2, "dataset": {"source": "file", "file_id": "other"}}

    shots, own = with_examples(task(fewshot), iter(rows(3)), others)

    assert shots is not None
    assert shots.places(0) == [0, 1]
    assert len(list(others)) == 10 - 3
    assert len(list(own)) == 3


@pytest.mark.parametrize("strategy", ["first", "random"])
def test_the_task_s_own_rows_serve_as_examples_and_are_still_graded(strategy: str) -> None:
    shots, own = with_examples(task({"count": 2, "strategy": strategy}), iter(rows(6)), iter([]))

    assert shots is not None
    assert 0 not in shots.places(0)
    assert list(own) == rows(6)


def test_the_first_strategy_holds_no_more_rows_than_it_needs() -> None:
    source = iter(rows(100))

    with_examples(task({"count": 2}), source, iter([]))

    assert len(list(source)) == 100 - 3


def test_the_same_dataset_named_twice_is_the_task_s_own() -> None:
    same: Fewshot = {"count": 2, "dataset": {"source": "file", "file_id": "f", "max_rows": 5}}

    shots, _ = with_examples(task(same), iter(rows(3)), iter(rows(3)))

    assert shots is not None
    assert shots.places(0) == [1, 2]


def test_a_dataset_counts_only_with_examples_to_take_from_it() -> None:
    assert has_dataset(task({"count": 1, "dataset": {"file_id": "x"}}))
    assert not has_dataset(task({"count": 0, "dataset": {"file_id": "x"}}))
    assert not has_dataset(task({"count": 1}))
    assert not has_dataset({"id": "t"})
