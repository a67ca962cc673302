from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.sharding import (
    ShardKind,
    Share,
    TaskSize,
    allot,
    open_shards_max,
    plan_shards,
)


def size(items: int, *, task_ord: int = 0, aggregate: bool = False) -> TaskSize:
    return TaskSize(task_ord=task_ord, item_count=items, aggregate=aggregate)


@settings(deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 600), st.booleans()), max_size=3),
    models=st.integers(1, 3),
    samples_max=st.integers(20, 1_000),
)
def test_every_sample_is_generated_in_exactly_one_shard(
    sizes: list[tuple[int, bool]], models: int, samples_max: int
) -> None:
    tasks = [size(n, task_ord=place, aggregate=agg) for place, (n, agg) in enumerate(sizes)]

    plan = plan_shards(tasks, models, samples_max=samples_max)

    covered: dict[tuple[int, int], list[int]] = defaultdict(list)
    for shard in plan:
        assert shard.to_index - shard.from_index > 0
        if shard.kind is not ShardKind.AGGREGATE:
            assert shard.to_index - shard.from_index <= samples_max
            covered[shard.task_ord, shard.model_ord] += range(shard.from_index, shard.to_index)
    for task in tasks:
        for model in range(models):
            assert covered[task.task_ord, model] == list(range(task.item_count))
    assert [shard.shard_no for shard in plan] == list(range(len(plan)))


def test_an_aggregate_group_is_graded_whole_after_its_generation() -> None:
    plan = plan_shards([size(5, aggregate=True)], 2, samples_max=3)

    kinds = [(shard.kind, shard.model_ord, shard.from_index, shard.to_index) for shard in plan]
    assert kinds == [
        (ShardKind.GENERATE, 0, 0, 2),
        (ShardKind.GENERATE, 1, 0, 2),
        (ShardKind.GENERATE, 0, 2, 5),
        (ShardKind.GENERATE, 1, 2, 5),
        (ShardKind.AGGREGATE, 0, 0, 5),
        (ShardKind.AGGREGATE, 1, 0, 5),
    ]


def test_shards_of_a_task_are_of_nearly_equal_size() -> None:
    plan = plan_shards([size(2_001)], 1)

    assert [shard.to_index - shard.from_index for shard in plan] == [667, 667, 667]


@pytest.mark.parametrize(
    ("shards", "generation", "grader", "most"),
    [
        (9, 4, 2, 2),
        (9, 1, 9, 1),
        (9, 9, 1, 1),
        (1, 9, 9, 1),
        (99, 64, 64, 2),
        (99, 1_000, 1_000, 16),
        (99, 1_000, 3, 3),
    ],
)
def test_more_shards_are_open_the_more_calls_may_be_in_flight(
    shards: int, generation: int, grader: int, most: int
) -> None:
    assert most == open_shards_max(
        shards=shards, generation_concurrency=generation, grader_concurrency=grader
    )


TOTAL = Share(generation=25, grader=8)


def test_the_first_shards_divide_everything_among_them() -> None:
    shares = allot(TOTAL, open_shares={}, waiting=[0, 1, 2, 3], open_max=2)

    assert shares == {0: Share(generation=13, grader=4), 1: Share(generation=12, grader=4)}


def test_the_next_shard_gets_what_the_finished_one_had() -> None:
    left = {1: Share(generation=12, grader=4)}

    shares = allot(TOTAL, open_shares=left, waiting=[2, 3], open_max=2)

    assert shares == {2: Share(generation=13, grader=4)}


def test_with_nothing_waiting_the_open_shards_grow() -> None:
    left = {1: Share(generation=12, grader=3), 2: Share(generation=1, grader=1)}

    shares = allot(TOTAL, open_shares=left, waiting=[], open_max=2)

    assert shares == {1: Share(generation=18, grader=5), 2: Share(generation=7, grader=3)}


def test_nothing_changes_when_all_is_handed_out() -> None:
    left = {1: Share(generation=25, grader=8)}

    assert allot(TOTAL, open_shares=left, waiting=[2], open_max=2) == {}
    assert allot(TOTAL, open_shares={}, waiting=[], open_max=2) == {}


@settings(deadline=None)
@given(data=st.data(), generation=st.integers(1, 200), grader=st.integers(1, 200))
def test_a_run_never_has_more_than_its_limits_and_never_less_at_work_than_it_could(
    data: st.DataObject, generation: int, grader: int
) -> None:
    total = Share(generation=generation, grader=grader)
    shards = data.draw(st.integers(1, 12))
    open_max = open_shards_max(
        shards=shards, generation_concurrency=generation, grader_concurrency=grader
    )
    waiting, open_shares = list(range(shards)), dict[int, Share]()
    while waiting or open_shares:
        shares = allot(total, open_shares=open_shares, waiting=waiting, open_max=open_max)
        for number, share in shares.items():
            before = open_shares.get(number, Share(generation=1, grader=1))
            assert share.generation >= before.generation
            assert share.grader >= before.grader
        open_shares |= shares
        waiting = [number for number in waiting if number not in open_shares]
        assert len(open_shares) <= open_max
        assert sum(share.generation for share in open_shares.values()) == generation
        assert sum(share.grader for share in open_shares.values()) == grader
        del open_shares[data.draw(st.sampled_from(sorted(open_shares)))]
