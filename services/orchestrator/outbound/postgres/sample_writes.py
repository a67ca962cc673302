"""Results of a shard's samples, stored many at a time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.domain.failure import Failure
from orchestrator.domain.outcomes import Generated, Graded, SampleChanges
from orchestrator.domain.sample import SampleState
from orchestrator.domain.work import Shard
from pgstore.database import RawConnection


class SamplesMissing(RuntimeError):
    """Results did not meet samples in the state they were for: a mistake of ours."""


# The ANY sends every plan straight to the rows, whatever the planner believes of a table that it
# has not looked at yet.
_GENERATED = """
UPDATE samples s SET
    state = u.state, response_id = u.response_id, output_text = u.output_text,
    reasoning = u.reasoning, input_tokens = u.input_tokens, output_tokens = u.output_tokens,
    cached_tokens = u.cached_tokens, reasoning_tokens = u.reasoning_tokens,
    tokens_estimated = u.estimated, generation_started_at = u.generation_started_at,
    generation_ended_at = u.generation_ended_at, error_code = u.error_code,
    error_message = u.error_message, error_stage = u.error_stage, error_details = u.error_details,
    started_at = coalesce(s.started_at, u.generation_started_at, now()),
    ended_at = CASE WHEN u.state = 'failed' THEN now() END
FROM unnest($4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[],
            $11::bigint[], $12::bigint[], $13::bool[], $14::timestamptz[], $15::timestamptz[],
            $16::text[], $17::text[], $18::text[], $19::text[])
    AS u(sample_index, state, response_id, output_text, reasoning, input_tokens, output_tokens,
         cached_tokens, reasoning_tokens, estimated, generation_started_at, generation_ended_at,
         error_code, error_message, error_stage, error_details)
WHERE s.run_id = $1 AND s.task_ord = $2 AND s.model_ord = $3
  AND s.sample_index = ANY($4) AND s.sample_index = u.sample_index
  AND s.state IN ('queued', 'generating')
RETURNING s.state
"""
_GRADED = """
UPDATE samples s SET
    state = u.state, extracted_output = u.extracted_output, scores = u.scores, judge = u.judge,
    error_code = u.error_code, error_message = u.error_message, error_stage = u.error_stage,
    error_details = u.error_details, ended_at = now()
FROM unnest($4::int[], $5::text[], $6::text[], $7::jsonb[], $8::text[], $9::text[], $10::text[],
            $11::text[], $12::text[])
    AS u(sample_index, state, extracted_output, scores, judge, error_code, error_message,
         error_stage, error_details)
WHERE s.run_id = $1 AND s.task_ord = $2 AND s.model_ord = $3
  AND s.sample_index = ANY($4) AND s.sample_index = u.sample_index
  AND s.state IN ('ready_to_score', 'scoring')
RETURNING s.state
"""
_GENERATING = """
UPDATE samples s SET state = 'generating', started_at = coalesce(s.started_at, now())
FROM unnest($4::int[]) AS u(sample_index)
WHERE s.run_id = $1 AND s.task_ord = $2 AND s.model_ord = $3
  AND s.sample_index = ANY($4) AND s.sample_index = u.sample_index
  AND s.state = 'queued'
"""
_SCORING = """
UPDATE samples s SET state = 'scoring'
FROM unnest($4::int[]) AS u(sample_index)
WHERE s.run_id = $1 AND s.task_ord = $2 AND s.model_ord = $3
  AND s.sample_index = ANY($4) AND s.sample_index = u.sample_index
  AND s.state = 'ready_to_score'
"""
_COUNT = """
UPDATE shards SET completed = completed + $3, failed = failed + $4
WHERE run_id = $1 AND shard_no = $2
"""


async def write(
    connection: RawConnection, shard: Shard, changes: SampleChanges, *, repeated: bool
) -> None:
    """Store changes inside the caller's fenced transaction, and count what ended by them.

    A sample that has a change already is left alone, so the same changes may be written again.

    Raises:
        SamplesMissing: a first try met samples in another state.
    """
    lease, ended = shard.lease, list[str]()
    place = (lease.run_id, shard.task_ord, shard.model_ord)
    if changes.generated:
        columns = _columns(_generated(entry) for entry in changes.generated.values())
        rows = await connection.fetch(_GENERATED, *place, *columns)
        _require(len(changes.generated), rows, repeated=repeated)
        ended += [row["state"] for row in rows]
    if changes.graded:
        columns = _columns(_graded(entry) for entry in changes.graded.values())
        rows = await connection.fetch(_GRADED, *place, *columns)
        _require(len(changes.graded), rows, repeated=repeated)
        ended += [row["state"] for row in rows]
    if changes.generating:
        await connection.execute(_GENERATING, *place, sorted(changes.generating))
    if changes.scoring:
        await connection.execute(_SCORING, *place, sorted(changes.scoring))
    completed, failed = ended.count(SampleState.COMPLETED), ended.count(SampleState.FAILED)
    if completed or failed:
        await connection.execute(_COUNT, lease.run_id, lease.shard_no, completed, failed)


def _require(wanted: int, rows: Sequence[Mapping[str, Any]], *, repeated: bool) -> None:
    if len(rows) != wanted and not repeated:
        raise SamplesMissing(f"{wanted} results met {len(rows)} samples")


def _columns(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _generated(entry: Generated) -> Sequence[object]:
    tokens = entry.tokens
    return (
        entry.sample_index,
        entry.state,
        entry.response_id,
        entry.output_text,
        entry.reasoning,
        tokens.input,
        tokens.output,
        tokens.cached,
        tokens.reasoning,
        tokens.estimated,
        entry.started_at,
        entry.ended_at,
        *_failure(entry.failure),
    )


def _graded(entry: Graded) -> Sequence[object]:
    return (
        entry.sample_index,
        entry.state,
        entry.extracted_output,
        entry.scores_json,
        entry.judge_json,
        *_failure(entry.failure),
    )


def _failure(failure: Failure | None) -> Sequence[object]:
    if failure is None:
        return (None, None, None, None)
    return (failure.code, failure.message, failure.stage, failure.details_json or None)
