"""Samples as they are read from their rows."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from orchestrator.domain.failure import Failure
from orchestrator.domain.ids import IdPrefix, is_id, sample_id
from orchestrator.domain.listing import SampleFilter, SampleTooLarge, Slice
from orchestrator.domain.run import Run
from orchestrator.domain.sample import Sample, SampleState
from orchestrator.outbound.postgres.conditions import conditions, sample_terms
from orchestrator.outbound.postgres.pages import ENTRY_BYTES_MAX, PAGE_BYTES_MAX
from orchestrator.outbound.postgres.run_records import tokens_from
from pgstore.database import RawConnection

# Lengths are known without reading the texts, so those behind the page's end are never read.
_SELECT = """
WITH place AS (
    SELECT s.task_ord, s.model_ord, s.sample_index,
           (CASE WHEN $2 THEN octet_length(i.dataset_row) ELSE 0 END + octet_length(i.prompt)
            + coalesce(octet_length(i.target), 0) + coalesce(octet_length(s.output_text), 0)
            + coalesce(octet_length(s.extracted_output), 0) + coalesce(octet_length(s.judge), 0)
            + CASE WHEN $3 THEN coalesce(octet_length(s.reasoning), 0) ELSE 0 END
            + coalesce(octet_length(s.scores::text), 0)
            + coalesce(octet_length(s.error_message), 0)
            + coalesce(octet_length(s.error_details), 0)
            + coalesce(octet_length(s.phase_timings), 0) + 2000)::bigint AS size
    FROM samples s
    JOIN items i USING (run_id, task_ord, sample_index)
    WHERE s.run_id = $1{further}
    ORDER BY s.task_ord, s.model_ord, s.sample_index
    LIMIT $4
), page AS (
    SELECT *, count(*) OVER () AS matched,
           sum(size) OVER (ORDER BY task_ord, model_ord, sample_index) - size AS before
    FROM place
)
SELECT p.matched, p.size, s.task_ord, s.model_ord, s.sample_index, t.task_id, s.sample_key, s.state,
       CASE WHEN $2 THEN i.dataset_row ELSE '' END AS dataset_row, i.prompt, i.target,
       s.response_id, s.output_text, CASE WHEN $3 THEN s.reasoning END AS reasoning,
       s.extracted_output, s.scores, s.judge, s.error_code, s.error_message, s.error_stage,
       s.error_details, s.input_tokens, s.output_tokens, s.cached_tokens, s.reasoning_tokens,
       s.tokens_estimated, s.generation_started_at, s.generation_ended_at, s.created_at,
       s.started_at, s.ended_at, s.cost_usd, s.phase_timings, s.recorded
FROM page p
JOIN samples s USING (task_ord, model_ord, sample_index)
JOIN items i USING (run_id, task_ord, sample_index)
JOIN run_tasks t USING (run_id, task_ord)
WHERE s.run_id = $1 AND (p.before = 0 OR p.before + p.size <= $5)
ORDER BY s.task_ord, s.model_ord, s.sample_index
"""

_PLACE = """
SELECT task_ord, model_ord, sample_index FROM samples WHERE run_id = $1 AND sample_key = $2
"""


class Place(NamedTuple):
    """Where a sample stands in its run's collection."""

    task_ord: int
    model_ord: int
    sample_index: int


async def place_of(connection: RawConnection, run_id: str, wanted_id: str) -> Place | None:
    """Return where a sample of the run stands; None when the id is not one of its samples."""
    if not is_id(wanted_id, IdPrefix.SAMPLE):
        return None
    row = await connection.fetchrow(_PLACE, run_id, UUID(wanted_id.rpartition("_")[2]))
    return None if row is None else _place(row)


async def read_page(
    connection: RawConnection, run: Run, wanted: SampleFilter, after: Place | None, size: int
) -> Slice[Sample]:
    """Return at most `size` samples behind `after`, and at most 14 MiB of them.

    Raises:
        SampleTooLarge: the first of them alone does not fit a message.
    """
    rows, has_more = await _read(connection, run, wanted, after, size)
    if rows and rows[0]["size"] > ENTRY_BYTES_MAX:
        raise SampleTooLarge(sample_id(rows[0]["sample_key"].hex), rows[0]["size"])
    return Slice([_sample(row, run) for row in rows], has_more)


async def _read(
    connection: RawConnection, run: Run, wanted: SampleFilter, after: Place | None, size: int
) -> tuple[Sequence[Mapping[str, Any]], bool]:
    terms = sample_terms(wanted, models=run.request.models, after=after)
    further = conditions(terms, first_number=6)
    rows = await connection.fetch(
        _SELECT.format(further=further.sql),
        run.id,
        wanted.with_rows,
        wanted.with_reasoning,
        size + 1,
        PAGE_BYTES_MAX,
        *further.values,
    )
    kept = rows[:size]
    return kept, bool(kept) and kept[0]["matched"] > len(kept)


def _place(row: Mapping[str, Any]) -> Place:
    return Place(row["task_ord"], row["model_ord"], row["sample_index"])


def _sample(row: Mapping[str, Any], run: Run) -> Sample:
    return Sample(
        id=sample_id(row["sample_key"].hex),
        run_id=run.id,
        task_id=row["task_id"],
        model=run.request.models[row["model_ord"]],
        sample_index=row["sample_index"],
        state=SampleState(row["state"]),
        row_json=row["dataset_row"].encode(),
        prompt=row["prompt"],
        target=row["target"],
        response_id=row["response_id"],
        output_text=row["output_text"],
        reasoning=row["reasoning"],
        extracted_output=row["extracted_output"],
        scores_json=(row["scores"] or "{}").encode(),
        judge_json=(row["judge"] or "").encode(),
        error=_error(row),
        tokens=tokens_from(row),
        generation_started_at=row["generation_started_at"],
        generation_ended_at=row["generation_ended_at"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        cost_usd=row["cost_usd"],
        phase_timings_json=(row["phase_timings"] or "").encode(),
        recorded_error_json=_recorded_error(row),
    )


def _recorded_error(row: Mapping[str, Any]) -> bytes:
    return (row["error_details"] or "").encode() if row["recorded"] else b""


def _error(row: Mapping[str, Any]) -> Failure | None:
    if row["error_code"] is None:
        return None
    return Failure(
        code=row["error_code"],
        message=row["error_message"],
        stage=row["error_stage"],
        details_json=row["error_details"] or "",
    )
