"""Leases in Postgres: renewed, given back, and found again when nobody has them."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from orchestrator.domain.run_states import RunState
from orchestrator.domain.sharding import Share
from orchestrator.domain.work import Lease, RunStep
from orchestrator.outbound.postgres import messages
from orchestrator.outbound.postgres.dispatch import advance
from pgstore.database import Database, RawConnection

_RENEW_SHARDS = """
UPDATE shards h SET lease_until = now() + $1, state = 'leased'
FROM unnest($2::text[], $3::int[], $4::bigint[]) AS l(run_id, shard_no, epoch)
WHERE h.run_id = l.run_id AND h.shard_no = l.shard_no AND h.epoch = l.epoch
  AND h.state IN ('dispatched', 'leased')
RETURNING h.run_id, h.shard_no, h.epoch, h.generation_share, h.grader_share
"""
_RENEW_RUNS = """
UPDATE runs r SET lease_until = now() + $1
FROM unnest($2::text[], $3::bigint[]) AS l(run_id, epoch)
WHERE r.run_id = l.run_id AND r.epoch = l.epoch AND r.deleted_at IS NULL
RETURNING r.run_id, r.epoch
"""
_RELEASE_SHARD = """
UPDATE shards SET state = 'dispatched', lease_until = NULL, dispatched_at = now(), dispatches = 1,
                  mishaps = mishaps + $4
WHERE run_id = $1 AND shard_no = $2 AND epoch = $3 AND state = 'leased'
RETURNING mishaps
"""
_RELEASE_RUN = """
UPDATE runs SET lease_until = NULL, dispatched_at = now(), dispatches = 1, mishaps = mishaps + $3
WHERE run_id = $1 AND epoch = $2
RETURNING mishaps
"""

# A message that led to no lease is written again after 30 s, then after twice as long each time up
# to 16 minutes: when all workers are busy, more messages do not help.
_ABANDONED_SHARDS = """
UPDATE shards h SET state = 'dispatched', dispatched_at = now(), dispatches = dispatches + 1,
                    lease_until = NULL
WHERE (h.run_id, h.shard_no) IN (
    SELECT s.run_id, s.shard_no FROM shards s JOIN runs r USING (run_id)
    WHERE r.state = 'in_progress' AND r.deleted_at IS NULL AND (
        (s.state = 'leased' AND s.lease_until < now())
        OR (s.state = 'dispatched' AND s.dispatched_at
            + interval '30 s' * 2 ^ least(greatest(s.dispatches, 1) - 1, 5) < now()))
    LIMIT 200
    FOR UPDATE OF s SKIP LOCKED
)
RETURNING h.run_id, h.shard_no
"""
_ABANDONED_STEPS = """
UPDATE runs SET dispatched_at = now(), dispatches = dispatches + 1, lease_until = NULL
WHERE run_id IN (
    SELECT run_id FROM runs
    WHERE deleted_at IS NULL
      AND (state = 'finalizing'
           OR (state IN ('queued', 'in_progress') AND prepared_at IS NULL))
      AND (lease_until < now()
           OR (lease_until IS NULL AND dispatched_at
               + interval '30 s' * 2 ^ least(greatest(dispatches, 1) - 1, 5) < now()))
    LIMIT 200
    FOR UPDATE SKIP LOCKED
)
RETURNING run_id, state
"""
# Cannot happen as long as finishing a shard and what follows are one transaction; costs nothing.
_STRANDED_RUNS = """
SELECT run_id, state FROM runs r
WHERE state = 'in_progress' AND prepared_at IS NOT NULL AND deleted_at IS NULL
  AND NOT EXISTS (
    SELECT 1 FROM shards WHERE run_id = r.run_id AND state IN ('dispatched', 'leased'))
LIMIT 200
FOR UPDATE SKIP LOCKED
"""


class PostgresLeases:
    """Leases of run steps and shards.

    Args:
        lease_s: How long a lease is good without renewal.
    """

    def __init__(self, database: Database, *, lease_s: float) -> None:
        self._database = database
        self._lease = timedelta(seconds=lease_s)

    async def renew(self, leases: Collection[Lease]) -> Mapping[Lease, Share | None]:
        """Extend leases; those missing from the answer are lost. A shard's comes with its share."""
        renewed: dict[Lease, Share | None] = {}
        async with self._database.connection() as connection:
            renewed |= await self._renew_shards(connection, leases)
            renewed |= await self._renew_runs(connection, leases)
        return renewed

    async def release(self, lease: Lease, *, mishap: bool) -> int:
        """Give a lease back, so that anybody may take it at once; a lost one stays lost."""
        async with self._database.connection() as connection:
            if lease.shard_no is None:
                mishaps = await connection.fetchval(
                    _RELEASE_RUN, lease.run_id, lease.epoch, int(mishap)
                )
            else:
                mishaps = await connection.fetchval(
                    _RELEASE_SHARD, lease.run_id, lease.shard_no, lease.epoch, int(mishap)
                )
        return mishaps or 0

    async def sweep(self) -> int:
        """Write work messages for whatever is unfinished and in nobody's hands; return how many."""
        async with self._database.connection() as connection:
            async with connection.transaction():
                shards = await connection.fetch(_ABANDONED_SHARDS)
                for row in shards:
                    await messages.send_shard(connection, row["run_id"], row["shard_no"])
            async with connection.transaction():
                runs = await connection.fetch(_ABANDONED_STEPS)
                for row in runs:
                    step = _step(RunState(row["state"]))
                    await messages.send_step(connection, row["run_id"], step)
            async with connection.transaction():
                stranded = await connection.fetch(_STRANDED_RUNS)
                for row in stranded:
                    await advance(connection, row["run_id"], RunState(row["state"]))
        return len(shards) + len(runs) + len(stranded)

    async def _renew_shards(
        self, connection: RawConnection, leases: Collection[Lease]
    ) -> dict[Lease, Share | None]:
        held = [(le.run_id, le.shard_no, le.epoch) for le in leases if le.shard_no is not None]
        if not held:
            return {}
        columns = [list(column) for column in zip(*held, strict=True)]
        return {
            Lease(run_id=row["run_id"], shard_no=row["shard_no"], epoch=row["epoch"]): Share(
                generation=row["generation_share"], grader=row["grader_share"]
            )
            for row in await connection.fetch(_RENEW_SHARDS, self._lease, *columns)
        }

    async def _renew_runs(
        self, connection: RawConnection, leases: Collection[Lease]
    ) -> dict[Lease, Share | None]:
        held = [(lease.run_id, lease.epoch) for lease in leases if lease.shard_no is None]
        if not held:
            return {}
        columns = [list(column) for column in zip(*held, strict=True)]
        return {
            Lease(run_id=row["run_id"], shard_no=None, epoch=row["epoch"]): None
            for row in await connection.fetch(_RENEW_RUNS, self._lease, *columns)
        }


def _step(state: RunState) -> RunStep:
    return RunStep.FINALIZE if state is RunState.FINALIZING else RunStep.PREPARE
