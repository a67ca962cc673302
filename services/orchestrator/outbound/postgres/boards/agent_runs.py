"""What completed runs of agents add up to, run by run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.domain.boards.agents import AgentRun, BoardFilter
from orchestrator.domain.text import storable
from orchestrator.outbound.postgres.boards.sums import TOKEN_SUMS, score_sql, scores_from
from orchestrator.outbound.postgres.conditions import Term, conditions
from orchestrator.outbound.postgres.run_records import tokens_from
from pgstore.database import RawConnection

# Timings are stored as they were reported: what is no JSON that Postgres can read, or no pair of
# points in time in order, tells nothing.
_PHASE = "CASE WHEN pg_input_is_valid(s.phase_timings, 'jsonb') THEN s.phase_timings::jsonb END"


def _moment(name: str) -> str:
    text = f"a.phase ->> '{name}'"
    return (
        f"CASE WHEN {text} ~ '^\\d{{{{4}}}}-\\d\\d-\\d\\d[T ]\\d\\d:'"
        f" AND pg_input_is_valid({text}, 'timestamptz') THEN ({text})::timestamptz END"
    )


_AGENT_RUNS = f"""
SELECT r.run_id, r.created_at, r.agent_name, r.agent_version, r.agent_effort, m.model, t.*,
       CASE WHEN t.sample_cost IS NOT NULL THEN t.sample_cost WHEN m.place = 1 THEN r.cost_usd END
       AS cost_usd
FROM runs r
CROSS JOIN LATERAL unnest(r.models) WITH ORDINALITY m(model, place)
CROSS JOIN LATERAL (
    SELECT count(*) AS trials, count(*) FILTER (WHERE s.state = 'failed') AS failed,
           count({score_sql("$2")}) AS scored, sum({score_sql("$2")})::text AS score_sum,
           count(*) FILTER (WHERE {score_sql("$2")} = 1) AS solved,
           sum(s.cost_usd) AS sample_cost, {TOKEN_SUMS},
           coalesce(bool_or(s.tokens_estimated), false) AS tokens_estimated,
           sum(j.step_count)::bigint AS steps,
           sum(d.seconds) FILTER (WHERE d.seconds >= 0) AS agent_s,
           count(*) FILTER (WHERE d.seconds >= 0) AS timed
    FROM samples s
    LEFT JOIN trajectories j USING (sample_key)
    LEFT JOIN LATERAL (SELECT {_PHASE} -> 'agent_execution' AS phase) a ON true
    LEFT JOIN LATERAL (
        SELECT extract(epoch FROM ({_moment("finished_at")}) - ({_moment("started_at")}))::float8
               AS seconds
    ) d ON true
    WHERE s.run_id = r.run_id AND s.model_ord = m.place - 1
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
