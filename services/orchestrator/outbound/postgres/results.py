"""What a run adds up to, worked out from the rows of its samples."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from fractions import Fraction

import orjson

from orchestrator.domain.metrics import Counts, GroupResult, ScoreSum
from orchestrator.domain.run_states import RunEvent, next_state
from orchestrator.domain.suite import Suite, SuiteVersion
from orchestrator.domain.tokens import NO_TOKENS, Tokens, sum_tokens
from orchestrator.domain.work import Lease
from orchestrator.outbound.postgres.fences import hold
from orchestrator.outbound.postgres.messages import Fact, RunAnnouncer
from orchestrator.outbound.postgres.run_changes.discards import discard
from orchestrator.outbound.postgres.run_records import read_run, tokens_from
from orchestrator.outbound.postgres.run_steps import lock_for_end
from orchestrator.outbound.postgres.sample_lines import read_lines
from orchestrator.outbound.postgres.suites import origin_of
from pgstore.database import Database, RawConnection

# Names are joined to what was counted: with them in the key, all samples would be sorted.
_GROUPS = """
SELECT s.*, t.task_id, r.models[s.model_ord + 1] AS model
FROM (
    SELECT task_ord, model_ord, count(*) AS total,
           count(*) FILTER (WHERE state = 'completed') AS completed,
           count(*) FILTER (WHERE state = 'failed') AS failed,
           sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
           sum(cached_tokens)::bigint AS cached_tokens,
           sum(reasoning_tokens)::bigint AS reasoning_tokens,
           bool_or(tokens_estimated) AS tokens_estimated
    FROM samples WHERE run_id = $1
    GROUP BY task_ord, model_ord
) s
JOIN run_tasks t ON t.run_id = $1 AND t.task_ord = s.task_ord
JOIN runs r ON r.run_id = $1
ORDER BY s.task_ord, s.model_ord
"""
# numeric sums are exact, so the order in which samples ended does not show in a metric.
_SUMS = """
SELECT s.task_ord, s.model_ord, e.key AS metric, count(*) AS count,
       sum(e.value::numeric)::text AS total
FROM samples s CROSS JOIN LATERAL jsonb_each(s.scores) e
WHERE s.run_id = $1 AND s.state = 'completed' AND jsonb_typeof(e.value) = 'number'
GROUP BY s.task_ord, s.model_ord, e.key
"""
# Of texts that belong to no sample; those of samples are counted with them.
_SHARED_TOKENS = """
SELECT task_ord, model_ord, sum(input_tokens)::bigint AS input_tokens
FROM embedding_chunks WHERE run_id = $1 AND part = 'shared'
GROUP BY task_ord, model_ord
"""
_RETURNED = "SELECT task_ord, model_ord, metrics FROM aggregates WHERE run_id = $1"

_STORE = """
UPDATE runs SET metrics = $2, total = $3, completed = $4, failed = $5, input_tokens = $6,
                output_tokens = $7, cached_tokens = $8, reasoning_tokens = $9,
                tokens_estimated = $10, finish_at = coalesce(finish_at, now())
WHERE run_id = $1
RETURNING finish_at
"""
_REPLACED = "SELECT result_file_id, samples_file_id FROM runs WHERE run_id = $1"
_COMPLETE = """
UPDATE runs SET state = $2, result_file_id = $3, samples_file_id = $4, ended_at = finish_at,
                lease_until = NULL
WHERE run_id = $1
"""

Group = tuple[int, int]


class PostgresResults:
    """What a run adds up to."""

    def __init__(self, database: Database, announcer: RunAnnouncer) -> None:
        self._database = database
        self._announcer = announcer

    async def groups(self, run_id: str) -> Sequence[GroupResult]:
        """Add up the samples of each task and model from their rows."""
        async with self._database.connection() as connection:
            return await read_groups(connection, run_id)

    async def store(
        self, lease: Lease, *, metrics_json: bytes, counts: Counts, tokens: Tokens
    ) -> datetime:
        """Keep the results; return when the run ends, the same for every repetition."""
        async with self._database.connection() as connection, connection.transaction():
            await hold(connection, lease)
            finish_at: datetime = await connection.fetchval(
                _STORE,
                lease.run_id,
                metrics_json.decode(),
                counts.total,
                counts.completed,
                counts.failed,
                tokens.input,
                tokens.output,
                tokens.cached,
                tokens.reasoning,
                tokens.estimated,
            )
        return finish_at

    @asynccontextmanager
    async def holding(self, lease: Lease) -> AsyncIterator[None]:
        """Keep a lease from being taken over during a block, or raise LeaseLost."""
        async with self._database.connection() as connection, connection.transaction():
            await hold(connection, lease)
            yield

    async def origin(self, run_id: str) -> tuple[Suite, SuiteVersion]:
        """Return the suite and the version that a run was made of, deleted or not."""
        async with self._database.transaction() as session:
            return await origin_of(session, run_id)

    async def sample_lines(self, run_id: str) -> AsyncIterator[bytes]:
        """Yield all samples of a run, one a line, by task, model and index; many at a time."""
        async with self._database.connection() as connection:
            run = await read_run(connection, run_id)
            async for lines in read_lines(connection, run):
                yield lines

    async def complete(self, lease: Lease, *, result_file_id: str, samples_file_id: str) -> None:
        """End the run as completed and announce it; artifacts of an earlier edition are discarded.

        One that is being cancelled does not complete any more: LeaseLost.
        """
        async with self._database.connection() as connection, connection.transaction():
            state = await lock_for_end(connection, lease)
            after = next_state(state, RunEvent.FINISH)
            ((*replaced,),) = await connection.fetch(_REPLACED, lease.run_id)
            await discard(
                connection, lease.run_id, set(replaced) - {result_file_id, samples_file_id}
            )
            await connection.execute(
                _COMPLETE, lease.run_id, after, result_file_id, samples_file_id
            )
            run = await read_run(connection, lease.run_id)
            await self._announcer.announce(connection, Fact.COMPLETED, run)


async def read_groups(connection: RawConnection, run_id: str) -> Sequence[GroupResult]:
    """Add up the samples of each task and model as the caller's transaction sees them."""
    sums: dict[Group, dict[str, ScoreSum]] = defaultdict(dict)
    for row in await connection.fetch(_SUMS, run_id):
        total = ScoreSum(total=Fraction(row["total"]), count=row["count"])
        sums[row["task_ord"], row["model_ord"]][row["metric"]] = total
    returned = {
        (row["task_ord"], row["model_ord"]): _numbers(row["metrics"])
        for row in await connection.fetch(_RETURNED, run_id)
    }
    shared = {
        (row["task_ord"], row["model_ord"]): Tokens(input=row["input_tokens"])
        for row in await connection.fetch(_SHARED_TOKENS, run_id)
    }
    return [
        GroupResult(
            task_id=row["task_id"],
            model=row["model"],
            counts=Counts(total=row["total"], completed=row["completed"], failed=row["failed"]),
            tokens=sum_tokens(
                [tokens_from(row), shared.get((row["task_ord"], row["model_ord"]), NO_TOKENS)]
            ),
            sums=sums[row["task_ord"], row["model_ord"]],
            returned=returned.get((row["task_ord"], row["model_ord"]), {}),
        )
        for row in await connection.fetch(_GROUPS, run_id)
    ]


def _numbers(document: str) -> Mapping[str, float]:
    return {metric: float(value) for metric, value in orjson.loads(document).items()}
