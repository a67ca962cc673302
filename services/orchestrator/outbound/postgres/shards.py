"""Shards in Postgres."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from orchestrator.domain.run import Run
from orchestrator.domain.run_states import RunState
from orchestrator.domain.sharding import ShardKind, Share
from orchestrator.domain.work import Lease, LeaseLost, Shard, ShardJob
from orchestrator.outbound.postgres.dispatch import advance
from orchestrator.outbound.postgres.rewinding import rewind_shard
from orchestrator.outbound.postgres.run_changes.stopping import RunStopper
from orchestrator.outbound.postgres.run_records import read_run
from orchestrator.outbound.postgres.run_steps import lock_held
from pgstore.database import Database, RawConnection

_TAKE = """
UPDATE shards h SET state = 'leased', epoch = epoch + 1, lease_until = now() + $3, dispatches = 0
WHERE h.run_id = $1 AND h.shard_no = $2
  AND (h.state = 'dispatched' OR (h.state = 'leased' AND h.lease_until < now()))
  AND EXISTS (SELECT 1 FROM runs WHERE run_id = $1 AND state = 'in_progress'
              AND deleted_at IS NULL)
RETURNING h.epoch, h.kind, h.task_ord, h.model_ord, h.from_index, h.to_index, h.generation_share,
          h.grader_share
"""
_CONTEXT = """
SELECT t.task_id, t.grader, t.extraction, t.transcription, t.embedding, r.run_token
FROM run_tasks t JOIN runs r USING (run_id) WHERE t.run_id = $1 AND t.task_ord = $2
"""
_DONE = """
UPDATE shards SET state = 'done', lease_until = NULL
WHERE run_id = $1 AND shard_no = $2 AND epoch = $3 AND state IN ('dispatched', 'leased')
RETURNING kind, task_ord, model_ord, from_index, to_index
"""
# A shard that is done is never looked at again, so nothing in it may be left undone.
_LEFT_OVER = """
SELECT count(*) FROM samples
WHERE run_id = $1 AND task_ord = $2 AND model_ord = $3 AND sample_index >= $4 AND sample_index < $5
  AND state NOT IN ('completed', 'failed') AND NOT (state = 'ready_to_score' AND $6)
"""
_RELEASE_GROUP = """
UPDATE shards SET state = 'waiting'
WHERE run_id = $1 AND task_ord = $2 AND model_ord = $3 AND kind = 'aggregate' AND state = 'blocked'
  AND NOT EXISTS (
    SELECT 1 FROM shards WHERE run_id = $1 AND task_ord = $2 AND model_ord = $3
    AND kind = 'generate' AND state <> 'done')
"""


class SamplesLeftOver(RuntimeError):
    """A worker called a shard done that is not: a mistake of ours, undone by taking it again."""


class PostgresShards:
    """Shards of runs that are in progress.

    Args:
        lease_s: How long a lease is good without renewal.
    """

    def __init__(self, database: Database, stopper: RunStopper, *, lease_s: float) -> None:
        self._database = database
        self._stopper = stopper
        self._lease = timedelta(seconds=lease_s)

    async def take(self, run_id: str, shard_no: int) -> ShardJob | None:
        """Lease a shard, its samples in their last safe state; None when it is not to be had."""
        async with self._database.connection() as connection, connection.transaction():
            row = await connection.fetchrow(_TAKE, run_id, shard_no, self._lease)
            if row is None:
                return None
            shard = _shard(run_id, shard_no, row)
            await rewind_shard(connection, run_id, row)  # a lost worker may have had them
            (context,) = await connection.fetch(_CONTEXT, run_id, shard.task_ord)
            run = await read_run(connection, run_id)
        share = Share(generation=row["generation_share"], grader=row["grader_share"])
        return _job(shard, share, run, context)

    async def finish(self, lease: Lease) -> bool:
        """Mark a shard done and dispatch what follows: another shard, or finalize."""
        async with self._database.connection() as connection, connection.transaction():
            state = await lock_held(connection, lease)
            row = await connection.fetchrow(_DONE, lease.run_id, lease.shard_no, lease.epoch)
            if row is None:
                raise LeaseLost(lease)
            await _require_nothing_left(connection, lease, row)
            if row["kind"] == ShardKind.GENERATE:
                group = (row["task_ord"], row["model_ord"])
                await connection.execute(_RELEASE_GROUP, lease.run_id, *group)
            if state is RunState.CANCELLING:
                await self._stopper.settle(connection, lease.run_id)
            if state is not RunState.IN_PROGRESS:
                return False
            return await advance(connection, lease.run_id, state)


async def _require_nothing_left(
    connection: RawConnection, lease: Lease, row: Mapping[str, Any]
) -> None:
    place = (row["task_ord"], row["model_ord"], row["from_index"], row["to_index"])
    for_group = row["kind"] == ShardKind.GENERATE
    left = await connection.fetchval(_LEFT_OVER, lease.run_id, *place, for_group)
    if left:
        raise SamplesLeftOver(f"{left} samples of the shard have not ended")


def _shard(run_id: str, shard_no: int, row: Mapping[str, Any]) -> Shard:
    return Shard(
        lease=Lease(run_id=run_id, shard_no=shard_no, epoch=row["epoch"]),
        kind=ShardKind(row["kind"]),
        task_ord=row["task_ord"],
        model_ord=row["model_ord"],
        from_index=row["from_index"],
        to_index=row["to_index"],
    )


def _job(shard: Shard, share: Share, run: Run, context: Mapping[str, Any]) -> ShardJob:
    return ShardJob(
        shard=shard,
        share=share,
        run=run,
        task_id=context["task_id"],
        model=run.request.models[shard.model_ord],
        grader_json=context["grader"].encode(),
        extraction_json=context["extraction"].encode(),
        run_token=context["run_token"],
        transcription_json=context["transcription"].encode() if context["transcription"] else None,
        embedding_json=context["embedding"].encode() if context["embedding"] else None,
    )
