"""What completed runs of agents add up to, run by run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.domain.boards.agents import AgentRun, BoardFilter
from orchestrator.domain.text import storable
from orchestrator.outbound.postgres.boards.sums import TOKEN_SUMS, score_sql, scores_from
from orchestrator.outbound.postgres.conditions import Term, conditions
from orchestrator.outbound.postgres.run_records import tokens_from
from pgstore.database import RawConnection

# A score is read once for each sample: OFFSET keeps the planner from writing it out thrice. What is
# known of a run as a whole goes to its first model; runs of agents have one.
_AGENT_RUNS = f"""
SELECT r.run_id, r.created_at, r.agent_name, r.agent_version, r.agent_effort, m.model, t.*,
       CASE WHEN t.sample_cost IS NOT NULL THEN t.sample_cost WHEN m.place = 1 THEN r.cost_usd END
       AS cost_usd,
       CASE WHEN m.place = 1 THEN
           (SELECT sum(j.step_count)::bigint FROM trajectories j WHERE j.run_id = r.run_id)
       END AS steps
FROM runs r
CROSS JOIN LATERAL unnest(r.models) WITH ORDINALITY m(model, place)
CROSS JOIN LATERAL (
    SELECT count(*) AS trials, count(*) FILTER (WHERE s.state = 'failed') AS failed,
           count(s.score) AS scored, sum(s.score)::text AS score_sum,
           count(*) FILTER (WHERE s.score = 1) AS solved,
           sum(s.cost_usd) AS sample_cost, {TOKEN_SUMS},
           coalesce(bool_or(s.tokens_estimated), false) AS tokens_estimated,
           sum(s.agent_s) AS agent_s, count(s.agent_s) AS timed
    FROM (
        SELECT s.state, s.cost_usd, s.input_tokens, s.output_tokens, s.cached_tokens,
               s.reasoning_tokens, s.tokens_estimated, s.agent_s, {score_sql("$2")} AS score
        FROM samples s
        WHERE s.run_id = r.run_id AND s.model_ord = m.place - 1 OFFSET 0
    ) s
) t
WHERE r.suite_id = $1 AND r.deleted_at IS NULL AND r.state = 'completed'
  AND r.agent_name IS NOT NULL{{further}}
"""  # noqa: S608 -- ours


async def read_agent_runs(
    connection: RawConnection, suite_id: str, wanted: BoardFilter
) -> Sequence[AgentRun]:
    """Add up a suite's completed runs of agents, one for each model of a run."""
    further = conditions(_terms(wanted), first_number=3)
    statement = _AGENT_RUNS.format(further=further.sql)
    # Keys with U+0000 are stored without it, so they are sought without it.
    rows = await connection.fetch(statement, suite_id, storable(wanted.metric), *further.values)
    return [_agent_run(row) for row in rows]


def _terms(wanted: BoardFilter) -> Iterator[Term]:
    if wanted.suite_version is not None:
        yield "r.suite_version = {0}", [wanted.suite_version]
    if wanted.agent_name:
        yield "r.agent_name = {0}", [storable(wanted.agent_name)]
    if wanted.model:
        yield "m.model = {0}", [storable(wanted.model)]


def _agent_run(row: Mapping[str, Any]) -> AgentRun:
    return AgentRun(
        run_id=row["run_id"],
        created_at=row["created_at"],
        agent_name=row["agent_name"],
        agent_version=row["agent_version"],
        agent_effort=row["agent_effort"],
        model=row["model"],
        trials=row["trials"],
        failed=row["failed"],
        solved=row["solved"],
        scores=scores_from(row),
        cost_usd=row["cost_usd"],
        tokens=tokens_from(row),
        steps=row["steps"],
        agent_s=row["agent_s"],
        timed=row["timed"],
    )
