"""Chunks of vectors in Postgres; their numbers lie in the object store."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.domain.embedding.chunks import Chunk, Part
from orchestrator.domain.ids import sample_id
from orchestrator.domain.outcomes import SampleChanges
from orchestrator.domain.work import Shard
from orchestrator.outbound.postgres import sample_writes
from orchestrator.outbound.postgres.fences import hold
from orchestrator.ports.embedding import QueuedRow
from pgstore.database import Database

# What a batch may weigh in this process; a single larger row comes alone.
_QUEUED_BYTES_MAX = 8 * 1024 * 1024

_QUEUED = """
WITH place AS (
    SELECT s.sample_index, s.sample_key, octet_length(i.dataset_row)::bigint AS size
    FROM samples s JOIN items i USING (run_id, task_ord, sample_index)
    WHERE s.run_id = $1 AND s.task_ord = $2 AND s.model_ord = $3
      AND s.sample_index > $4 AND s.sample_index < $5 AND s.state = 'queued'
    ORDER BY s.sample_index
    LIMIT $6
), batch AS (
    SELECT *, sum(size) OVER (ORDER BY sample_index) - size AS before FROM place
)
SELECT b.sample_index, b.sample_key, i.dataset_row
FROM batch b JOIN items i USING (sample_index)
WHERE i.run_id = $1 AND i.task_ord = $2 AND b.before < $7
ORDER BY b.sample_index
"""
_CHUNKS = """
SELECT chunk_key, part, positions, rejected, dimensions, input_tokens FROM embedding_chunks
WHERE run_id = $1 AND task_ord = $2 AND model_ord = $3
ORDER BY chunk_key
"""
_ADD = """
INSERT INTO embedding_chunks (run_id, task_ord, model_ord, chunk_key, part, positions, rejected,
                              dimensions, input_tokens)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING
"""
# A worker that has lost its lease may still write an object for a moment.
_UNNEEDED = """
SELECT DISTINCT t.run_id FROM run_tasks t JOIN runs r USING (run_id)
WHERE t.embedding IS NOT NULL AND NOT t.vectors_dropped
  AND (r.deleted_at < now() - interval '1 minute'
       OR (r.state = 'completed' AND r.failed = 0 AND r.ended_at < now() - interval '1 minute'))
LIMIT $1
"""
_GONE = """
UPDATE run_tasks SET vectors_dropped = true WHERE run_id = $1 AND embedding IS NOT NULL
"""


class PostgresEmbeddingChunks:
    """Chunks of vectors of leased shards' groups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def queued(self, shard: Shard, *, after: int, limit: int) -> Sequence[QueuedRow]:
        """Return queued samples with their rows behind index `after`; fewer when rows are large."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _QUEUED, *_group(shard), after, shard.to_index, limit, _QUEUED_BYTES_MAX
            )
        return [
            QueuedRow(
                sample_index=row["sample_index"],
                sample_id=sample_id(row["sample_key"].hex),
                row_json=row["dataset_row"].encode(),
            )
            for row in rows
        ]

    async def chunks(self, shard: Shard) -> Sequence[Chunk]:
        """Return all chunks of the group."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_CHUNKS, *_group(shard))
        return [_chunk(shard, row) for row in rows]

    async def add(
        self, shard: Shard, chunk: Chunk | None, changes: SampleChanges, *, repeated: bool
    ) -> None:
        """Store a chunk and what it makes of samples, together."""
        async with self._database.connection() as connection, connection.transaction():
            await hold(connection, shard.lease)
            if chunk is not None:
                await connection.execute(
                    _ADD,
                    *_group(shard),
                    chunk.key,
                    chunk.part,
                    list(chunk.positions),
                    list(chunk.rejected),
                    chunk.dimensions,
                    chunk.input_tokens,
                )
            if changes:
                await sample_writes.write(connection, shard, changes, repeated=repeated)


class PostgresUnneededVectors:
    """Runs whose vectors no rerun or retry can need."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, *, limit: int) -> Sequence[str]:
        """Return ids of runs that were deleted, or completed without a failed sample."""
        async with self._database.connection() as connection:
            return [row["run_id"] for row in await connection.fetch(_UNNEEDED, limit)]

    async def gone(self, run_id: str) -> None:
        """Note that a run has no objects any more."""
        async with self._database.connection() as connection:
            await connection.execute(_GONE, run_id)


def _group(shard: Shard) -> tuple[str, int, int]:
    return shard.lease.run_id, shard.task_ord, shard.model_ord


def _chunk(shard: Shard, row: Mapping[str, Any]) -> Chunk:
    return Chunk(
        run_id=shard.lease.run_id,
        key=row["chunk_key"].hex,
        part=Part(row["part"]),
        positions=row["positions"],
        rejected=row["rejected"],
        dimensions=row["dimensions"],
        input_tokens=row["input_tokens"],
    )
