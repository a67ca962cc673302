"""What the samples of one run add up to."""

from orchestrator.domain.boards.overview import Overview, SampleCounts
from orchestrator.domain.run import Run
from orchestrator.domain.text import storable
from orchestrator.outbound.postgres.boards.sums import TOKEN_SUMS, score_sql, scores_from
from orchestrator.outbound.postgres.run_records import tokens_from
from pgstore.database import RawConnection

_OVERVIEW = f"""
SELECT coalesce(t.cost_usd, r.cost_usd) AS cost_usd,
       (SELECT count(DISTINCT p.sample_key) FROM superseded_samples p WHERE p.run_id = r.run_id)
       AS retried, t.total, t.completed, t.failed, t.errored, t.scored, t.score_sum, t.input_tokens,
       t.output_tokens, t.cached_tokens, t.reasoning_tokens, t.tokens_estimated
FROM runs r CROSS JOIN LATERAL (
    SELECT count(*) AS total, count(*) FILTER (WHERE s.state = 'completed') AS completed,
           count(*) FILTER (WHERE s.state = 'failed') AS failed, count(s.error_code) AS errored,
           count(s.score) AS scored, sum(s.score)::text AS score_sum,
           sum(s.cost_usd) AS cost_usd, {TOKEN_SUMS},
           coalesce(bool_or(s.tokens_estimated), false) AS tokens_estimated
    FROM (
        SELECT s.state, s.error_code, s.cost_usd, s.input_tokens, s.output_tokens, s.cached_tokens,
               s.reasoning_tokens, s.tokens_estimated, {score_sql("$2")} AS score
        FROM samples s WHERE s.run_id = r.run_id OFFSET 0
    ) s
) t
WHERE r.run_id = $1
"""  # noqa: S608 -- ours


async def read_overview(connection: RawConnection, run: Run, metric: str) -> Overview:
    """Add up the samples of a run that is known to be there."""
    # Keys with U+0000 are stored without it, so they are sought without it.
    (row,) = await connection.fetch(_OVERVIEW, run.id, storable(metric))
    return Overview(
        run=run,
        scores=scores_from(row),
        counts=SampleCounts(
            total=row["total"],
            completed=row["completed"],
            failed=row["failed"],
            errored=row["errored"],
            retried=row["retried"],
        ),
        cost_usd=row["cost_usd"],
        tokens=tokens_from(row),
    )
