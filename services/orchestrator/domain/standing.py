"""How far the samples of a run are when its shards are made, and what that leaves to do.

A new run begins with shards of nothing but queued samples. One that is put back to work has results
already: a shard without anything left to do is done before it is dispatched.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.sharding import PlannedShard, ShardKind, ShardState

# However often a shard is taken, its epoch stays below this; so no worker of an earlier edition
# holds a lease that is good in a later one.
_EPOCHS_OF_AN_EDITION = 2**32


class Standing(StrEnum):
    """How far a sample is that does not wait for its model call."""

    NOT_GENERATED = "not_generated"
    """Failed before it had an output."""
    READY = "ready"
    """Has an output, waits for its score."""
    NOT_SCORED = "not_scored"
    """Failed with an output."""
    COMPLETED = "completed"
    """Scored."""


Standings = Mapping[tuple[int, int], Mapping[Standing, Sequence[int]]]
"""Sample indices in order, by (task, model) and standing; those that are queued are left out."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a shard begins with: its state, and how many of its samples it counts as ended."""

    state: ShardState
    completed: int
    failed: int


def first_epoch(edition: int) -> int:
    """Return the epoch that shards of an edition begin with; no earlier edition reaches it."""
    return edition * _EPOCHS_OF_AN_EDITION


def beginning(shard: PlannedShard, standings: Standings) -> Beginning:
    """Return what a shard begins with.

    Of an aggregate task, shards that generate count what failed before it had an output, and the
    one that grades the group counts the rest.
    """
    group = standings.get((shard.task_ord, shard.model_ord), {})
    count = {standing: _within(shard, group.get(standing, ())) for standing in Standing}
    not_generated, not_scored = count[Standing.NOT_GENERATED], count[Standing.NOT_SCORED]
    completed = count[Standing.COMPLETED]
    ended = not_generated + not_scored + completed
    size = shard.to_index - shard.from_index
    match shard.kind:
        case ShardKind.PER_SAMPLE:
            state = ShardState.DONE if ended == size else ShardState.WAITING
            return Beginning(state, completed, not_generated + not_scored)
        case ShardKind.GENERATE:
            generated = ended + count[Standing.READY] == size
            return Beginning(ShardState.DONE if generated else ShardState.WAITING, 0, not_generated)
        case ShardKind.AGGREGATE:
            if ended == size:
                state = ShardState.DONE
            elif ended + count[Standing.READY] == size:
                state = ShardState.WAITING
            else:
                state = ShardState.BLOCKED
            return Beginning(state, completed, not_scored)


def _within(shard: PlannedShard, indices: Sequence[int]) -> int:
    return bisect_left(indices, shard.to_index) - bisect_left(indices, shard.from_index)
