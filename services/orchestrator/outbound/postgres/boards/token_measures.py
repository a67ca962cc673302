"""Samples without token figures, and the figures that they get."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from orchestrator.domain.token_estimates import GroupTokens, SampleText, with_tokens
from orchestrator.domain.tokens import Tokens, sum_tokens
from orchestrator.outbound.postgres.boards.sums import TOKEN_SUMS
from orchestrator.outbound.postgres.run_records import tokens_from
from orchestrator.outbound.postgres.visibility import require_owned_suite
from orchestrator.ports.token_measures import MeasurableRun
from pgstore.database import Database, RawConnection
from servicekit.caller import Caller

# Of texts that are read at once; one sample may have more.
_BATCH_BYTES = 4 * 1024 * 1024
_BATCH = 500

# Lengths are known without reading the texts. What a speech model reads is no text.
_UNMEASURED = """
s.input_tokens IS NULL AND s.output_tokens IS NULL AND s.cached_tokens IS NULL
AND s.reasoning_tokens IS NULL
AND (octet_length(s.output_text) > 0 OR octet_length(s.reasoning) > 0)
AND NOT EXISTS (SELECT 1 FROM run_tasks y WHERE y.run_id = s.run_id AND y.task_ord = s.task_ord
                AND y.transcription IS NOT NULL)
"""
_RUNS = f"""
SELECT r.run_id, r.edition, EXISTS (
           SELECT 1 FROM samples s WHERE s.run_id = r.run_id AND {_UNMEASURED}
       ) AS unmeasured
FROM runs r
WHERE r.suite_id = $1 AND r.deleted_at IS NULL AND r.state = 'completed'
  AND r.measured_edition IS DISTINCT FROM r.edition
ORDER BY r.created_at, r.run_id
"""  # noqa: S608 -- ours
# A completed run's samples change with its edition only. Whoever has a row is not waited for: the
# next look notes what this one does not.
_NOTE_MEASURED = """
UPDATE runs SET measured_edition = edition WHERE run_id IN (
    SELECT r.run_id FROM runs r JOIN unnest($1::text[], $2::int[]) u(run_id, edition)
        ON r.run_id = u.run_id AND r.edition = u.edition
    WHERE r.state = 'completed' FOR NO KEY UPDATE OF r SKIP LOCKED
)
"""
_TEXTS = f"""
WITH place AS (
    SELECT s.task_ord, s.model_ord, s.sample_index,
           (octet_length(i.prompt) + coalesce(octet_length(s.output_text), 0)
            + coalesce(octet_length(s.reasoning), 0))::bigint AS size
    FROM samples s JOIN items i USING (run_id, task_ord, sample_index)
    WHERE s.run_id = $1 AND {_UNMEASURED}
      AND (s.task_ord, s.model_ord, s.sample_index) > ($2::int, $3::int, $4::int)
    ORDER BY s.task_ord, s.model_ord, s.sample_index
    LIMIT {_BATCH}
), batch AS (
    SELECT *, sum(size) OVER (ORDER BY task_ord, model_ord, sample_index) - size AS before
    FROM place
)
SELECT b.task_ord, b.model_ord, b.sample_index, s.sample_key, i.prompt,
       coalesce(s.output_text, '') AS output_text, coalesce(s.reasoning, '') AS reasoning
FROM batch b
JOIN samples s USING (task_ord, model_ord, sample_index)
JOIN items i USING (run_id, task_ord, sample_index)
WHERE s.run_id = $1 AND (b.before = 0 OR b.before + b.size <= {_BATCH_BYTES})
ORDER BY b.task_ord, b.model_ord, b.sample_index
"""  # noqa: S608 -- ours
# A rerun, a deletion and another measurement of the run wait for this, or this for them.
_LOCK = """
SELECT metrics FROM runs
WHERE run_id = $1 AND edition = $2 AND state = 'completed' AND deleted_at IS NULL
FOR NO KEY UPDATE
"""
# The ANY sends every plan straight to the rows, whatever the planner believes of their number.
_STORE = f"""
WITH stored AS (
    UPDATE samples s SET input_tokens = u.input, output_tokens = u.output,
                         reasoning_tokens = u.reasoning, tokens_estimated = true
    FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[])
         AS u (sample_key, input, output, reasoning)
    WHERE s.sample_key = ANY($2::uuid[]) AND s.sample_key = u.sample_key AND s.run_id = $1
      AND {_UNMEASURED}
    RETURNING 1
) SELECT count(*) FROM stored
"""  # noqa: S608 -- ours
_GROUPS = f"""
SELECT t.task_id, r.models[s.model_ord + 1] AS model, {TOKEN_SUMS},
       bool_or(s.tokens_estimated) AS tokens_estimated
FROM samples s JOIN run_tasks t USING (run_id, task_ord) JOIN runs r USING (run_id)
WHERE s.run_id = $1 GROUP BY t.task_id, model
"""  # noqa: S608 -- ours
_REFRESH = """
UPDATE runs SET metrics = $2, input_tokens = $3, output_tokens = $4, cached_tokens = $5,
                reasoning_tokens = $6, tokens_estimated = $7
WHERE run_id = $1
"""


class PostgresTokenMeasures:
    """See `ports.token_measures.TokenMeasures`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def runs(self, caller: Caller, suite_id: str) -> Sequence[MeasurableRun]:
        """Return the completed runs of a suite with samples to measure, oldest first."""
        async with self._database.connection() as connection:
            await require_owned_suite(connection, caller, suite_id)
            rows = await connection.fetch(_RUNS, suite_id)
            done = [row for row in rows if not row["unmeasured"]]
            if done:
                await connection.execute(
                    _NOTE_MEASURED,
                    [row["run_id"] for row in done],
                    [row["edition"] for row in done],
                )
        return [MeasurableRun(row["run_id"], row["edition"]) for row in rows if row["unmeasured"]]

    async def texts(self, run: MeasurableRun, *, after: SampleText | None) -> Sequence[SampleText]:
        """Return what some of a run's samples are counted from; empty when it was all."""
        behind = (-1, -1, -1) if after is None else after.place
        async with self._database.connection() as connection:
            rows = await connection.fetch(_TEXTS, run.run_id, *behind)
        return [_text(row) for row in rows]

    async def store(self, run: MeasurableRun, figures: Mapping[str, Tokens]) -> int:
        """Give figures to samples and refresh the run's sums; return how many got some."""
        async with self._database.connection() as connection, connection.transaction():
            held = await connection.fetch(_LOCK, run.run_id, run.edition)
            if not held:
                return 0
            stored = 0
            given = list(figures.items())
            for start in range(0, len(given), _BATCH):
                stored += await _store(connection, run.run_id, given[start : start + _BATCH])
            if stored:
                await _refresh(connection, run.run_id, held[0]["metrics"])
        return stored


async def _store(
    connection: RawConnection, run_id: str, figures: Sequence[tuple[str, Tokens]]
) -> int:
    stored: int = await connection.fetchval(
        _STORE,
        run_id,
        [UUID(key) for key, _ in figures],
        [tokens.input for _, tokens in figures],
        [tokens.output for _, tokens in figures],
        [tokens.reasoning for _, tokens in figures],
    )
    return stored


async def _refresh(connection: RawConnection, run_id: str, metrics: str | None) -> None:
    groups = [
        GroupTokens(task_id=row["task_id"], model=row["model"], tokens=tokens_from(row))
        for row in await connection.fetch(_GROUPS, run_id)
    ]
    if metrics is not None:
        metrics = orjson.dumps(with_tokens(orjson.loads(metrics), groups)).decode()
    total = sum_tokens(group.tokens for group in groups)
    await connection.execute(
        _REFRESH,
        run_id,
        metrics,
        total.input,
        total.output,
        total.cached,
        total.reasoning,
        total.estimated,
    )


def _text(row: Mapping[str, Any]) -> SampleText:
    return SampleText(
        sample_key=row["sample_key"].hex,
        place=(row["task_ord"], row["model_ord"], row["sample_index"]),
        prompt=row["prompt"],
        output_text=row["output_text"],
        reasoning=row["reasoning"],
    )
