"""What a schedule does when it is due, and when a run of it has ended."""

from dataclasses import dataclass
from enum import StrEnum


class OverlapPolicy(StrEnum):
    """What a fire does while a run of the schedule is unfinished."""

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    ALLOW_ALL = "allow_all"


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done now.

    Attributes:
        starts: A run starts.
        buffered: A start is remembered, for when no run is unfinished.
    """

    starts: bool
    buffered: bool


def next_step(policy: OverlapPolicy, *, due: bool, buffered: bool, busy: bool) -> Step:
    """Return what to do.

    Args:
        policy: Of the schedule.
        due: Its time has come.
        buffered: A start is remembered.
        busy: A run of it is unfinished.
    """
    if policy is OverlapPolicy.ALLOW_ALL:
        return Step(starts=due, buffered=False)
    if policy is OverlapPolicy.SKIP:
        return Step(starts=due and not busy, buffered=False)
    if busy:
        return Step(starts=False, buffered=due or buffered)
    # The remembered start comes first; a time that has come as well is remembered in its place.
    return Step(starts=due or buffered, buffered=due and buffered)
