import pytest

from orchestrator.domain.sharding import PlannedShard, ShardKind, ShardState
from orchestrator.domain.standing import Beginning, Standing, Standings, beginning, first_epoch


def shard(kind: ShardKind, start: int = 0, end: int = 4) -> PlannedShard:
    return PlannedShard(
        shard_no=0, kind=kind, task_ord=1, model_ord=0, from_index=start, to_index=end
    )


def standings(**indices: list[int]) -> Standings:
    return {(1, 0): {Standing(name): found for name, found in indices.items()}}


@pytest.mark.parametrize("kind", [ShardKind.PER_SAMPLE, ShardKind.GENERATE])
def test_a_shard_of_a_new_run_waits_to_be_dispatched(kind: ShardKind) -> None:
    assert beginning(shard(kind), {}) == Beginning(ShardState.WAITING, 0, 0)


def test_the_grading_of_a_new_group_waits_for_its_outputs() -> None:
    assert beginning(shard(ShardKind.AGGREGATE), {}) == Beginning(ShardState.BLOCKED, 0, 0)


def test_a_shard_counts_what_has_ended_in_its_own_range() -> None:
    found = standings(completed=[1, 4, 5], not_generated=[0, 6], not_scored=[3, 7])

    assert beginning(shard(ShardKind.PER_SAMPLE), found) == Beginning(ShardState.WAITING, 1, 2)
    of_another_task = {(0, 0): found[1, 0]}
    assert beginning(shard(ShardKind.PER_SAMPLE), of_another_task).completed == 0


def test_a_shard_with_nothing_left_to_do_is_done() -> None:
    found = standings(completed=[0, 1, 2], not_generated=[3])

    assert beginning(shard(ShardKind.PER_SAMPLE), found) == Beginning(ShardState.DONE, 3, 1)


def test_an_output_without_a_score_is_left_to_do() -> None:
    found = standings(completed=[0, 1, 2], ready=[3])

    assert beginning(shard(ShardKind.PER_SAMPLE), found).state is ShardState.WAITING


def test_generating_is_done_when_every_sample_has_an_output_or_none_will_come() -> None:
    found = standings(completed=[0], ready=[1], not_scored=[2], not_generated=[3])

    # What was scored or failed to be is counted by the shard that grades the group.
    assert beginning(shard(ShardKind.GENERATE), found) == Beginning(ShardState.DONE, 0, 1)
    assert beginning(shard(ShardKind.AGGREGATE), found) == Beginning(ShardState.WAITING, 1, 1)


def test_a_group_is_graded_again_as_soon_as_one_sample_of_it_is_queued_again() -> None:
    found = standings(completed=[0, 1, 3])

    assert beginning(shard(ShardKind.AGGREGATE), found) == Beginning(ShardState.BLOCKED, 3, 0)


def test_a_group_in_which_all_has_ended_is_left_alone() -> None:
    found = standings(completed=[0, 1], not_scored=[2], not_generated=[3])

    assert beginning(shard(ShardKind.AGGREGATE), found) == Beginning(ShardState.DONE, 2, 1)


def test_no_epoch_of_an_edition_is_good_in_a_later_one() -> None:
    assert first_epoch(0) == 0
    assert first_epoch(3) - first_epoch(2) > 10**9
