"""How a run is cut into shards, and how its concurrency is divided among them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

# Small enough that a lost replica delays little and a leftover is short, large enough that a lease
# and a stream per shard cost nothing per sample.
SHARD_SAMPLES_MAX = 1_000

# This many calls in flight are what a single process serves well; more open shards let more
# replicas help.
_CALLS_PER_SHARD = 64
_OPEN_SHARDS_MIN = 2


class ShardKind(StrEnum):
    """What a shard's worker does with its samples."""

    PER_SAMPLE = "per_sample"
    """Generates each sample and grades it as soon as its output is stored."""
    GENERATE = "generate"
    """Only generates; the samples wait in ready_to_score."""
    AGGREGATE = "aggregate"
    """Grades a whole (task, model) group in one execution."""


class ShardState(StrEnum):
    """Where a shard is in its life."""

    BLOCKED = "blocked"
    """A group-grading shard whose group is not generated yet."""
    WAITING = "waiting"
    """May be dispatched when another one ends."""
    DISPATCHED = "dispatched"
    """A work message was written for it."""
    LEASED = "leased"
    """A worker has it."""
    DONE = "done"
    """Every sample of it has ended, or is ready for its group's grading."""


OPEN = frozenset({ShardState.DISPATCHED, ShardState.LEASED})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSize:
    """What the plan needs to know of a prepared task."""

    task_ord: int
    item_count: int
    aggregate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedShard:
    """Samples `from_index` (inclusive) to `to_index` (exclusive) of one task and model."""

    shard_no: int
    kind: ShardKind
    task_ord: int
    model_ord: int
    from_index: int
    to_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of a run's concurrency that one open shard may use."""

    generation: int
    grader: int


def plan_shards(
    tasks: Sequence[TaskSize], model_count: int, *, samples_max: int = SHARD_SAMPLES_MAX
) -> list[PlannedShard]:
    """Cut prepared tasks into shards of nearly equal size, in the order of their dispatch.

    Models take turns, so that models of different providers are asked at the same time. Tasks
    without items have none.
    """
    places = (place for task in tasks for place in _places(task, model_count, samples_max))
    return [
        PlannedShard(
            shard_no=number,
            kind=kind,
            task_ord=task_ord,
            model_ord=model_ord,
            from_index=from_index,
            to_index=to_index,
        )
        for number, (kind, task_ord, model_ord, from_index, to_index) in enumerate(places)
    ]


def open_shards_max(*, shards: int, generation_concurrency: int, grader_concurrency: int) -> int:
    """Return how many shards of a run may be open at once (ADR 4)."""
    wanted = max(_OPEN_SHARDS_MIN, math.ceil(generation_concurrency / _CALLS_PER_SHARD))
    return min(shards, generation_concurrency, grader_concurrency, wanted)


def allot(
    total: Share, *, open_shares: Mapping[int, Share], waiting: Sequence[int], open_max: int
) -> dict[int, Share]:
    """Hand out what nobody has of a run's concurrency: to shards to be opened, else to open ones.

    A share never shrinks, so the run's limits hold at every moment, however late a worker hears of
    its new share.

    Args:
        total: The run's limits.
        open_shares: Open shards and what they have.
        waiting: Shards that may be opened, in order.
        open_max: How many may be open (`open_shards_max`).

    Returns:
        The shards whose share is new: of `waiting` the ones to dispatch, else larger shares of open
        ones. Every share is at least 1.
    """
    calls = total.generation - sum(share.generation for share in open_shares.values())
    executions = total.grader - sum(share.grader for share in open_shares.values())
    opened = waiting[: max(0, min(open_max - len(open_shares), calls, executions))]
    if opened:
        return _divided(Share(generation=calls, grader=executions), opened)
    if not open_shares or not (calls or executions):
        return {}
    more = _divided(Share(generation=calls, grader=executions), sorted(open_shares))
    return {
        number: Share(
            generation=share.generation + more[number].generation,
            grader=share.grader + more[number].grader,
        )
        for number, share in open_shares.items()
    }


def _places(
    task: TaskSize, model_count: int, samples_max: int
) -> Iterator[tuple[ShardKind, int, int, int, int]]:
    kind = ShardKind.GENERATE if task.aggregate else ShardKind.PER_SAMPLE
    pieces = math.ceil(task.item_count / samples_max)
    for piece in range(pieces):
        from_index = task.item_count * piece // pieces
        to_index = task.item_count * (piece + 1) // pieces
        for model_ord in range(model_count):
            yield kind, task.task_ord, model_ord, from_index, to_index
    if task.aggregate and task.item_count:
        for model_ord in range(model_count):
            yield ShardKind.AGGREGATE, task.task_ord, model_ord, 0, task.item_count


def _divided(whole: Share, numbers: Sequence[int]) -> dict[int, Share]:
    generation = _parts(whole.generation, len(numbers))
    grader = _parts(whole.grader, len(numbers))
    return {
        number: Share(generation=calls, grader=executions)
        for number, calls, executions in zip(numbers, generation, grader, strict=True)
    }


def _parts(total: int, count: int) -> list[int]:
    return [total // count + (1 if place < total % count else 0) for place in range(count)]
