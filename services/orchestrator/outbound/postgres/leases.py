"""Leases in Postgres: renewed, given back, and found again when nobody has them."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from orchestrator.domain.run_states import RunState
from orchestrator.domain.sharding import Share
from orchestrator.domain.work import Lease, RunStep
from orchestrator.outbound.postgres import messages
from orchestrator.outbound.postgres.dispatch import advance
from orchestrator.outbound.postgres.run_changes.stopping import RunStopper
from pgstore.database import Database

# What was given back has no lease_until, so that a late renewal does not take it again; what only
# ran out keeps it, and a slow worker may go on when nobody took over.
# A run that is being cancelled renews none: that is how its workers hear of it.
# One row a statement: whoever ends a shard locks several in an order of its own.
_RENEW_SHARD = """
UPDATE shards SET lease_until = now() + $4, state = 'leased'
WHERE run_id = $1 AND shard_no = $2 AND epoch = $3 AND state IN ('dispatched', 'leased')
  AND lease_until IS NOT NULL
  AND EXISTS (SELECT 1 FROM runs WHERE run_id = $1 AND state = 'in_progress')
RETURNING generation_share, grader_share
"""
_RENEW_RUN = """
UPDATE runs SET lease_until = now() + $3
WHERE run_id = $1 AND epoch = $2 AND deleted_at IS NULL AND lease_until IS NOT NULL
  AND state <> 'cancelling'
RETURNING 1
"""
_LOCK_STATE = "SELECT state FROM runs WHERE run_id = $1 FOR UPDATE"
_RELEASE_SHARD = """
UPDATE shards SET state = 'dispatched', lease_until = NULL, dispatched_at = now(), dispatches = 1,
                  mishaps = mishaps + $4
WHERE run_id = $1 AND shard_no = $2 AND epoch = $3 AND state IN ('dispatched', 'leased')
  AND lease_until IS NOT NULL
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
UPDATE shards h SET state = 'dispatched', dispatched_at = now(), dispatches = dispatches + 1
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
UPDATE runs SET dispatched_at = now(), dispatches = dispatches + 1
WHERE run_id IN (
    SELECT run_id FROM runs
    WHERE deleted_at IS NULL
      AND (state = 'finalizing'
           OR (state IN ('queued', 'in_progress') AND prepared_at IS NULL))
      AND (lease_until IS NULL OR lease_until < now())
      AND ((lease_until IS NOT NULL AND dispatches = 0)
           OR dispatched_at + interval '30 s' * 2 ^ least(greatest(dispatches, 1) - 1, 5) < now())
    LIMIT 200
    FOR UPDATE SKIP LOCKED
)
RETURNING run_id, state
"""
# Cannot happen as long as finishing a shard and what follows are one transaction; costs nothing. A
# run that is only recorded has no shards and waits for its trials.
_STRANDED_RUNS = """
SELECT run_id, state FROM runs r
WHERE state = 'in_progress' AND prepared_at IS NOT NULL AND deleted_at IS NULL
  AND origin = 'executed' AND NOT EXISTS (
    SELECT 1 FROM shards WHERE run_id = r.run_id AND state IN ('dispatched', 'leased'))
LIMIT 200
FOR UPDATE SKIP LOCKED
"""


class PostgresLeases:
    """Leases of run steps and shards.

    Args:
        stopper: Ends a run that is being cancelled when its last lease is gone.
        lease_s: How long a lease is good without renewal.
    """

    def __init__(self, database: Database, stopper: RunStopper, *, lease_s: float) -> None:
        self._database = database
        self._stopper = stopper
        self._lease = timedelta(seconds=lease_s)

    async def renew(self, leases: Collection[Lease]) -> Mapping[Lease, Share | None]:
        """Extend leases; those missing from the answer are lost. A shard's comes with its share."""
        renewed: dict[Lease, Share | None] = {}
        async with self._database.connection() as connection:
            for lease in leases:
                share, run_id, epoch = None, lease.run_id, lease.epoch
                if lease.shard_no is None:
                    row = await connection.fetchrow(_RENEW_RUN, run_id, epoch, self._lease)
                else:
                    held = (run_id, lease.shard_no, epoch)
                    row = await connection.fetchrow(_RENEW_SHARD, *held, self._lease)
                    share = Share(generation=row[0], grader=row[1]) if row else None
                if row is not None:
                    renewed[lease] = share
        return renewed

    async def release(self, lease: Lease, *, mishap: bool) -> int:
        """Give a lease back, so that anybody may take it at once; a lost one stays lost."""
        async with self._database.connection() as connection, connection.transaction():
            state = await connection.fetchval(_LOCK_STATE, lease.run_id)
            if lease.shard_no is None:
                mishaps = await connection.fetchval(
                    _RELEASE_RUN, lease.run_id, lease.epoch, int(mishap)
                )
            else:
                mishaps = await connection.fetchval(
                    _RELEASE_SHARD, lease.run_id, lease.shard_no, lease.epoch, int(mishap)
                )
            if state == RunState.CANCELLING:
                await self._stopper.settle(connection, lease.run_id)
        return mishaps or 0

    async def sweep(self) -> int:
        """Go on with whatever is unfinished and in nobody's hands; return how many pieces it was.

        Work gets its message again; a run that is being cancelled ends.
        """
        async with self._database.connection() as connection:
            async with connection.transaction():
                shards = await connection.fetch(_ABANDONED_SHARDS)
                for row in shards:
                    run_id, team = (
                        row["run_id"],
                        await messages.read_team(connection, row["run_id"]),
                    )
                    await messages.send_shard(connection, run_id, row["shard_no"], team=team)
            async with connection.transaction():
                runs = await connection.fetch(_ABANDONED_STEPS)
                for row in runs:
                    step = _step(RunState(row["state"]))
                    team = await messages.read_team(connection, row["run_id"])
                    await messages.send_step(connection, row["run_id"], step, team=team)
            async with connection.transaction():
                stranded = await connection.fetch(_STRANDED_RUNS)
                for row in stranded:
                    await advance(connection, row["run_id"], RunState(row["state"]))
            async with connection.transaction():
                stopped = await self._stopper.settle_all(connection)
        return len(shards) + len(runs) + len(stranded) + stopped


def _step(state: RunState) -> RunStep:
    return RunStep.FINALIZE if state is RunState.FINALIZING else RunStep.PREPARE
