"""Stopping runs: asked for at once, and over when nothing of the run is in anybody's hands.

A worker hears of it when it renews its lease: a run that is being cancelled renews none. It stops
its calls, stores what has come back, and gives the lease back; whoever gives back the last one ends
the run. The leases of dead workers end by themselves, and then the sweeper does it.
"""

from orchestrator.domain.run_states import RunEvent, RunState, next_state
from orchestrator.outbound.postgres.messages import Fact, RunAnnouncer
from orchestrator.outbound.postgres.rewinding import rewind_shard
from orchestrator.outbound.postgres.run_changes.discards import discard_artifacts
from orchestrator.outbound.postgres.run_records import COUNTED, read_run
from pgstore.database import RawConnection

_SET_STATE = "UPDATE runs SET state = $2 WHERE run_id = $1"
# Raising the epoch fences off a worker that is only slow.
_CLOSE_SHARDS = """
UPDATE shards SET state = 'waiting', epoch = epoch + 1, lease_until = NULL
WHERE run_id = $1 AND (state = 'dispatched' OR (state = 'leased' AND (lease_until < now() OR $2)))
RETURNING task_ord, model_ord, from_index, to_index
"""
_IN_HANDS = """
SELECT EXISTS (SELECT 1 FROM shards WHERE run_id = $1 AND state = 'leased')
    OR EXISTS (SELECT 1 FROM runs WHERE run_id = $1 AND lease_until >= now())
"""
# Whoever writes under the run's lease is waited for, so that nothing is written after the end.
_LOCK_AGAINST_FENCES = "SELECT 1 FROM runs WHERE run_id = $1 FOR UPDATE"
# Counted from the rows: a run that waits to be worked on again has no shards yet.
_END = f"""
UPDATE runs SET
    state = $2, ended_at = now(), epoch = epoch + 1, lease_until = NULL, {COUNTED}
WHERE run_id = $1
"""  # noqa: S608 -- ours
_BEING_CANCELLED = """
SELECT run_id FROM runs WHERE state = 'cancelling' LIMIT 200 FOR UPDATE SKIP LOCKED
"""


class RunStopper:
    """Takes runs to their end as cancelled; each method is a part of the caller's transaction."""

    def __init__(self, announcer: RunAnnouncer) -> None:
        self._announcer = announcer

    async def cancel(self, connection: RawConnection, run_id: str, state: RunState) -> None:
        """Stop a run whose row the caller holds, in `state`, for update.

        Raises:
            RunNotCancellable: it has completed or failed.
        """
        after = next_state(state, RunEvent.CANCEL)
        if after is state:
            return
        if after is RunState.CANCELLING:
            await connection.execute(_SET_STATE, run_id, after)
            await self.settle(connection, run_id)
        else:
            await self._end(connection, run_id, after)

    async def settle(self, connection: RawConnection, run_id: str) -> bool:
        """End a run that is being cancelled if nobody works on it any more; tell whether it ended.

        The caller holds the run's row for update.
        """
        await close_shards(connection, run_id, leased_too=False)
        if await connection.fetchval(_IN_HANDS, run_id):
            return False
        await self._end(connection, run_id, next_state(RunState.CANCELLING, RunEvent.DRAINED))
        return True

    async def settle_all(self, connection: RawConnection) -> int:
        """End all runs that are being cancelled and that nobody works on; return how many."""
        rows = await connection.fetch(_BEING_CANCELLED)
        return sum([await self.settle(connection, row["run_id"]) for row in rows])

    async def _end(self, connection: RawConnection, run_id: str, after: RunState) -> None:
        await connection.execute(_LOCK_AGAINST_FENCES, run_id)
        await connection.execute(_END, run_id, after)
        await discard_artifacts(connection, run_id)
        run = await read_run(connection, run_id)
        await self._announcer.announce(connection, Fact.CANCELLED, run)


async def close_shards(connection: RawConnection, run_id: str, *, leased_too: bool) -> None:
    """Take shards from dead workers, or from all; their samples go back to what is stored of them.

    The caller holds the run's row for update.
    """
    for row in await connection.fetch(_CLOSE_SHARDS, run_id, leased_too):
        await rewind_shard(connection, run_id, row)
