"""The newest runs of a suite, ranked within groups, in answers of bounded size.

A run of every task ranks in one group for each of its models, a run of some tasks in one for each
pair of a model and a task. Runs come in the order of their first places: that with the best rank,
then the first model, then the first task. So every group's newest run comes before any second one.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from orchestrator.domain.ids import IdPrefix, is_id
from orchestrator.domain.run import Run
from servicekit.errors import Kind, ServiceError

# Runs and places of one answer.
RUNS_MAX = 200
PLACES_MAX = 20_000

_RANK_MAX = 2**31 - 1


class CursorUnknown(ServiceError):
    """No answer about this suite had such a cursor."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_CURSOR"

    def __init__(self, cursor: str) -> None:
        message = "cursor must be the `next_cursor` of an answer about this suite"
        super().__init__(message, param="cursor", cursor=cursor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A run's place in one group; `task_id` is None in a group of runs of every task."""

    model: str
    task_id: str | None
    rank: int
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingFilter:
    """Which runs are ranked; an unset field selects nothing away.

    Attributes:
        per_group: Most places of a group, at least 1.
    """

    suite_version: int | None = None
    model: str = ""
    per_group: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One answer: whole runs, newest first, and all their places, in the order of groups.

    Attributes:
        next_cursor: Continues behind the answer; empty when nothing was left out.
    """

    runs: Sequence[Run]
    places: Sequence[Place]
    next_cursor: str


def cursor_behind(first_place: Place) -> str:
    """Return what continues behind the run that has this first place."""
    parts = [first_place.rank, first_place.model, first_place.task_id, first_place.run_id]
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def place_of(cursor: str) -> Place:
    """Return the place that a cursor was made of.

    Raises:
        CursorUnknown: no answer had such a cursor.
    """
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        parts = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise CursorUnknown(cursor) from None
    match parts:
        case [int(rank), str(model), str() | None as task_id, str(run_id)] if (
            0 < rank <= _RANK_MAX
            and is_id(run_id, IdPrefix.RUN)
            and "\0" not in f"{model}{task_id}"
        ):
            return Place(model=model, task_id=task_id, rank=rank, run_id=run_id)
    raise CursorUnknown(cursor)
