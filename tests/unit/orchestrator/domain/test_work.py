import pytest

from orchestrator.domain.sharding import ShardKind
from orchestrator.domain.work import Lease, Shard


@pytest.mark.parametrize(
    ("kind", "grouped"),
    [
        (ShardKind.PER_SAMPLE, False),
        (ShardKind.GENERATE, True),
        (ShardKind.AGGREGATE, True),
    ],
)
def test_a_shard_knows_its_size_and_whether_its_group_is_graded_whole(
    kind: ShardKind,
    grouped: bool,  # noqa: FBT001
) -> None:
    shard = Shard(
        lease=Lease(run_id="run", shard_no=1, epoch=1),
        kind=kind,
        task_ord=0,
        model_ord=0,
        from_index=3,
        to_index=5,
    )

    assert shard.size == 2
    assert shard.is_grouped is grouped
