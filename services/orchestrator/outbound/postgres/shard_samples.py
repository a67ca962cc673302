"""Samples of a leased shard: what is to be done, and what came of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.domain.ids import sample_id
from orchestrator.domain.outcomes import SampleChanges
from orchestrator.domain.work import GradableSample, QueuedSample, Shard
from orchestrator.outbound.postgres import sample_writes
from orchestrator.outbound.postgres.fences import hold
from orchestrator.outbound.postgres.run_records import tokens_from
from pgstore.database import Database

# What a batch may weigh in this process; a single larger sample comes alone.
_QUEUED_BYTES_MAX = 4 * 1024 * 1024
# The grader takes batches of at most 3 MiB.
_GRADABLE_BYTES_MAX = 3 * 1024 * 1024 - 64 * 1024

# octet_length needs no look at the text itself, so texts behind the limit are never read.
_QUEUED = """
WITH place AS (
    SELECT s.sample_index, s.sample_key, octet_length(i.prompt)::bigint AS size
    FROM samples s JOIN items i USING (run_id, task_ord, sample_index)
    WHERE s.run_id = $1 AND s.task_ord = $2 AND s.model_ord = $3
      AND s.sample_index > $4 AND s.sample_index < $5 AND s.state = 'queued'
    ORDER BY s.sample_index
    LIMIT $6
), batch AS (
    SELECT *, sum(size) OVER (ORDER BY sample_index) - size AS before FROM place
)
SELECT b.sample_index, b.sample_key, i.prompt
FROM batch b JOIN items i USING (sample_index)
WHERE i.run_id = $1 AND i.task_ord = $2 AND b.before < $7
ORDER BY b.sample_index
"""
_AUDIO = "SELECT audio FROM items WHERE run_id = $1 AND task_ord = $2 AND sample_index = $3"
_READY = """
SELECT sample_index FROM samples
WHERE run_id = $1 AND task_ord = $2 AND model_ord = $3 AND sample_index >= $4 AND sample_index < $5
  AND state = 'ready_to_score'
ORDER BY sample_index
"""
_GRADABLE = """
WITH wanted AS (
    SELECT w.place, s.sample_index,
           (octet_length(i.dataset_row) + octet_length(i.prompt)
            + coalesce(octet_length(i.target), 0) + coalesce(octet_length(i.choices), 0)
            + coalesce(octet_length(s.output_text), 0) + 200)::bigint AS size
    FROM unnest($4::int[]) WITH ORDINALITY AS w(sample_index, place)
    JOIN samples s ON s.sample_index = w.sample_index
    JOIN items i ON i.run_id = $1 AND i.task_ord = $2 AND i.sample_index = w.sample_index
    WHERE s.run_id = $1 AND s.task_ord = $2 AND s.model_ord = $3
      AND s.sample_index = ANY($4) AND i.sample_index = ANY($4)
), batch AS (
    SELECT *, sum(size) OVER (ORDER BY place) - size AS before FROM wanted
)
SELECT s.sample_index, s.sample_key, i.dataset_row, i.prompt, i.target, i.choices, s.output_text,
       s.response_id, s.input_tokens, s.output_tokens, s.cached_tokens, s.reasoning_tokens,
       s.tokens_estimated
FROM batch b
JOIN samples s USING (sample_index)
JOIN items i USING (run_id, task_ord, sample_index)
WHERE s.run_id = $1 AND s.task_ord = $2 AND s.model_ord = $3
  AND s.sample_index = ANY($4) AND i.sample_index = ANY($4)
  AND (b.before = 0 OR b.before + b.size <= $5)
ORDER BY b.place
"""
_RESTART_GROUP = """
UPDATE samples SET state = 'ready_to_score', extracted_output = NULL, scores = NULL, judge = NULL,
                   error_code = NULL, error_message = NULL, error_stage = NULL,
                   error_details = NULL, ended_at = NULL
WHERE run_id = $1 AND task_ord = $2 AND model_ord = $3
  AND (state IN ('scoring', 'completed')
       OR (state = 'failed' AND error_stage IN ('extract', 'score')))
"""
_RESTART_COUNTS = """
UPDATE shards SET completed = 0, failed = 0 WHERE run_id = $1 AND shard_no = $2
"""
_DROP_METRICS = """
DELETE FROM aggregates WHERE run_id = $1 AND task_ord = $2 AND model_ord = $3
"""
_ADD_METRICS = """
INSERT INTO aggregates (run_id, task_ord, model_ord, metrics) VALUES ($1, $2, $3, $4)
ON CONFLICT (run_id, task_ord, model_ord) DO UPDATE SET metrics = excluded.metrics
"""


class PostgresShardSamples:
    """Samples of a leased shard."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def queued(self, shard: Shard, *, after: int, limit: int) -> Sequence[QueuedSample]:
        """Return queued samples behind index `after`, in order; fewer when prompts are large."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _QUEUED, *_group(shard), after, shard.to_index, limit, _QUEUED_BYTES_MAX
            )
        return [
            QueuedSample(
                sample_index=row["sample_index"],
                sample_id=sample_id(row["sample_key"].hex),
                prompt=row["prompt"],
            )
            for row in rows
        ]

    async def audio(self, shard: Shard, sample_index: int) -> str:
        """Return the audio of a sample's item, a `data:` URI or an http(s) URL."""
        place = (shard.lease.run_id, shard.task_ord, sample_index)
        async with self._database.connection() as connection:
            return await connection.fetchval(_AUDIO, *place) or ""

    async def ready(self, shard: Shard) -> Sequence[int]:
        """Return the indices of samples that are ready to score, in order."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_READY, *_group(shard), shard.from_index, shard.to_index)
        return [row["sample_index"] for row in rows]

    async def gradable(self, shard: Shard, indices: Sequence[int]) -> Sequence[GradableSample]:
        """Return samples with rows and outputs in order of `indices`; fewer when they are large."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _GRADABLE, *_group(shard), list(indices), _GRADABLE_BYTES_MAX
            )
        return [_gradable(row) for row in rows]

    async def write(self, shard: Shard, changes: SampleChanges, *, repeated: bool) -> None:
        """Store changes. `repeated`: an earlier try may have stored them already."""
        async with self._database.connection() as connection, connection.transaction():
            await hold(connection, shard.lease)
            await sample_writes.write(connection, shard, changes, repeated=repeated)

    async def restart_group(self, shard: Shard) -> Sequence[int]:
        """Make all generated samples of an aggregate shard ready to score; return their indices."""
        async with self._database.connection() as connection, connection.transaction():
            await hold(connection, shard.lease)
            await connection.execute(_RESTART_GROUP, *_group(shard))
            await connection.execute(_DROP_METRICS, *_group(shard))
            await connection.execute(_RESTART_COUNTS, shard.lease.run_id, shard.lease.shard_no)
        return await self.ready(shard)

    async def add_group_metrics(self, shard: Shard, metrics_json: bytes) -> None:
        """Keep what an aggregate execution returned for its group."""
        async with self._database.connection() as connection, connection.transaction():
            await hold(connection, shard.lease)
            await connection.execute(_ADD_METRICS, *_group(shard), metrics_json.decode())


def _group(shard: Shard) -> tuple[str, int, int]:
    return shard.lease.run_id, shard.task_ord, shard.model_ord


def _gradable(row: Mapping[str, Any]) -> GradableSample:
    return GradableSample(
        sample_index=row["sample_index"],
        sample_id=sample_id(row["sample_key"].hex),
        row_json=row["dataset_row"].encode(),
        prompt=row["prompt"],
        target=row["target"],
        choices_json=(row["choices"] or "").encode(),
        output_text=row["output_text"],
        response_id=row["response_id"],
        tokens=tokens_from(row),
    )
