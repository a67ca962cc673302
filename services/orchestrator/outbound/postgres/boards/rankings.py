"""The newest completed runs of a suite, ranked within groups."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from orchestrator.domain.boards.ranking import (
    PLACES_MAX,
    CursorUnknown,
    Place,
    Ranking,
    RankingFilter,
    cursor_behind,
    place_of,
)
from orchestrator.domain.text import storable
from orchestrator.outbound.postgres.conditions import Term, conditions
from orchestrator.outbound.postgres.pages import page_length
from orchestrator.outbound.postgres.run_records import RUN_BYTES, RUN_SELECT, run_from
from orchestrator.outbound.postgres.visibility import seen_by
from pgstore.database import RawConnection
from servicekit.caller import Caller

# Names are compared by their bytes, as clients do, whatever the database's own order is.
_FIRST = """
f.rank, f.model COLLATE "C", f.task_id IS NOT NULL, coalesce(f.task_id, '') COLLATE "C",
f.run_id COLLATE "C"
"""
# A place's share of an answer, besides its names.
_PLACE_BYTES = 80

_RANKED = f"""
WITH places AS (
    SELECT r.run_id, m.model, t.task_id, row_number() OVER (
               PARTITION BY m.model, t.task_id ORDER BY r.created_at DESC, r.run_id DESC
           )::int AS rank
    FROM runs r CROSS JOIN LATERAL unnest(r.models) m(model)
    LEFT JOIN LATERAL unnest(r.task_ids) t(task_id) ON true
    WHERE r.suite_id = $1 AND r.deleted_at IS NULL AND r.state = 'completed'
      AND (r.task_ids IS NULL OR t.task_id IS NOT NULL){{further}}
), kept AS (
    SELECT * FROM places WHERE rank <= $2
), firsts AS (
    SELECT DISTINCT ON (run_id) * FROM kept
    ORDER BY run_id, rank, model COLLATE "C", task_id COLLATE "C" NULLS FIRST
)
SELECT f.run_id, g.models, g.task_ids, g.ranks, f.model, f.task_id, f.rank,
       cardinality(g.ranks) AS places,
       {RUN_BYTES} + g.names + cardinality(g.ranks) * {_PLACE_BYTES} AS size
FROM firsts f
JOIN (
    SELECT run_id, array_agg(model) AS models, array_agg(task_id) AS task_ids,
           array_agg(rank) AS ranks,
           sum(octet_length(model) + coalesce(octet_length(task_id), 0)) AS names
    FROM kept GROUP BY run_id
) g USING (run_id)
JOIN runs r USING (run_id)
WHERE $3 OR ({_FIRST}) > ($4::int, $5::text, $6::bool, $7::text, $8::text)
ORDER BY {_FIRST}
LIMIT $9
"""  # noqa: S608 -- ours
_RUNS = f"""
{RUN_SELECT} WHERE r.run_id = ANY($1::text[]) ORDER BY r.created_at DESC, r.run_id DESC
"""
_IS_OF_SUITE = "SELECT 1 FROM runs WHERE run_id = $1 AND suite_id = $2"


async def read_ranking(
    connection: RawConnection,
    caller: Caller,
    suite_id: str,
    wanted: RankingFilter,
    *,
    cursor: str,
    runs_max: int,
) -> Ranking:
    """Return the ranking behind a cursor; the caller sees the suite.

    Raises:
        CursorUnknown: no answer about the suite had it.
    """
    after = await _after(connection, suite_id, cursor)
    further = conditions(_terms(wanted), first_number=10)
    rows = await connection.fetch(
        _RANKED.format(further=further.sql),
        suite_id,
        wanted.per_group,
        after is None,
        *_key(after),
        runs_max + 1,
        *further.values,
    )
    length = _length(rows, runs_max)
    kept = rows[:length]
    runs = await connection.fetch(_RUNS, [row["run_id"] for row in kept])
    return Ranking(
        runs=[seen_by(caller, run_from(row)) for row in runs],
        places=sorted((place for row in kept for place in _places(row)), key=_group_order),
        next_cursor=cursor_behind(_first(kept[-1])) if length < len(rows) else "",
    )


async def _after(connection: RawConnection, suite_id: str, cursor: str) -> Place | None:
    if not cursor:
        return None
    place = place_of(cursor)
    # A run that was deleted meanwhile still tells where the answer before ended.
    if await connection.fetchval(_IS_OF_SUITE, place.run_id, suite_id) is None:
        raise CursorUnknown(cursor)
    return place


def _terms(wanted: RankingFilter) -> Iterator[Term]:
    if wanted.suite_version is not None:
        yield "r.suite_version = {0}", [wanted.suite_version]
    if wanted.model:
        yield "m.model = {0}", [storable(wanted.model)]


def _key(after: Place | None) -> Sequence[object]:
    if after is None:
        return (None,) * 5
    named = after.task_id is not None
    return (after.rank, after.model, named, after.task_id or "", after.run_id)


def _length(rows: Sequence[Mapping[str, Any]], runs_max: int) -> int:
    places = accumulate(row["places"] for row in rows)
    few = sum(1 for number, total in enumerate(places) if number == 0 or total <= PLACES_MAX)
    return page_length([row["size"] for row in rows], entries_max=min(few, runs_max))


def _first(row: Mapping[str, Any]) -> Place:
    return Place(model=row["model"], task_id=row["task_id"], rank=row["rank"], run_id=row["run_id"])


def _places(row: Mapping[str, Any]) -> Iterator[Place]:
    for model, task_id, rank in zip(row["models"], row["task_ids"], row["ranks"], strict=True):
        yield Place(model=model, task_id=task_id, rank=rank, run_id=row["run_id"])


def _group_order(place: Place) -> tuple[str, bool, str, int]:
    return (place.model, place.task_id is not None, place.task_id or "", place.rank)
