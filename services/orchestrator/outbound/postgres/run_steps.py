"""Run steps in Postgres: who does them, and what they do to the run's state."""

from datetime import timedelta

from orchestrator.domain.failure import Failure, shortened
from orchestrator.domain.run_states import RunEvent, RunState, next_state
from orchestrator.domain.text import storable
from orchestrator.domain.work import Lease, LeaseLost, RunJob, RunStep
from orchestrator.outbound.postgres.messages import Fact, RunAnnouncer
from orchestrator.outbound.postgres.run_changes.discards import discard_artifacts
from orchestrator.outbound.postgres.run_changes.stopping import close_shards
from orchestrator.outbound.postgres.run_records import read_run
from pgstore.database import Database, RawConnection

# Stronger than the fence's lock: a step's transaction under way is waited for.
LOCK_RUN = "SELECT state FROM runs WHERE run_id = $1 AND deleted_at IS NULL FOR UPDATE"

_TAKE = """
UPDATE runs SET epoch = epoch + 1, lease_until = now() + $2, dispatches = 0
WHERE run_id = $1 AND (lease_until IS NULL OR lease_until < now())
RETURNING epoch
"""
_DUE = {
    RunStep.PREPARE: "prepared_at IS NULL AND state IN ('queued', 'in_progress')",
    RunStep.FINALIZE: "state = 'finalizing'",
}
_MANIFEST = """
SELECT v.manifest FROM runs r JOIN suite_versions v USING (suite_version_id) WHERE r.run_id = $1
"""
_START = """
UPDATE runs SET state = $2, started_at = coalesce(started_at, now()) WHERE run_id = $1
"""
_FAIL = """
UPDATE runs SET state = $2, error_code = $3, error_message = $4, error_stage = $5,
                ended_at = now(), epoch = epoch + 1, lease_until = NULL
WHERE run_id = $1
"""
_NOTE_TOKEN = "UPDATE runs SET run_token = $2 WHERE run_id = $1"  # noqa: S105 -- SQL


class PostgresRunSteps:
    """What one worker does for a whole run.

    Args:
        lease_s: How long a lease is good without renewal.
    """

    def __init__(self, database: Database, announcer: RunAnnouncer, *, lease_s: float) -> None:
        self._database = database
        self._announcer = announcer
        self._lease = timedelta(seconds=lease_s)

    async def take(self, run_id: str, step: RunStep) -> RunJob | None:
        """Lease a step; None when it is not due or somebody works on it."""
        async with self._database.connection() as connection, connection.transaction():
            await connection.fetchval(LOCK_RUN, run_id)
            statement = _TAKE.replace("RETURNING", f"AND {_DUE[step]} RETURNING")
            epoch = await connection.fetchval(statement, run_id, self._lease)
            if epoch is None:
                return None
            run = await read_run(connection, run_id)
            manifest = await connection.fetchval(_MANIFEST, run_id)
        lease = Lease(run_id=run_id, shard_no=None, epoch=epoch)
        return RunJob(lease=lease, run=run, manifest_json=manifest.encode())

    async def start(self, lease: Lease) -> None:
        """Move a queued run to in_progress and announce it; one that is there already stays."""
        async with self._database.connection() as connection, connection.transaction():
            state = await lock_held(connection, lease)
            if state is RunState.QUEUED:
                after = next_state(state, RunEvent.START)
                await connection.execute(_START, lease.run_id, after)
                run = await read_run(connection, lease.run_id)
                await self._announcer.announce(connection, Fact.STARTED, run)

    async def fail(self, lease: Lease, failure: Failure) -> None:
        """End the run as failed, announce it, and take all its leases away.

        One that is being cancelled does not fail any more: LeaseLost.
        """
        async with self._database.connection() as connection, connection.transaction():
            state = await lock_for_end(connection, lease)
            after = next_state(state, RunEvent.FAIL)
            message = shortened(storable(failure.message))
            await connection.execute(
                _FAIL, lease.run_id, after, failure.code, message, failure.stage
            )
            await close_shards(connection, lease.run_id, leased_too=True)
            await discard_artifacts(connection, lease.run_id)
            run = await read_run(connection, lease.run_id)
            await self._announcer.announce(connection, Fact.FAILED, run)

    async def note_token(self, run_id: str, token: str) -> None:
        """Keep a renewed run token."""
        async with self._database.connection() as connection:
            await connection.execute(_NOTE_TOKEN, run_id, token)


async def lock_held(connection: RawConnection, lease: Lease) -> RunState:
    """Lock the run of a lease for a change of its state, and return that state.

    Raises:
        LeaseLost: the lease is not good any more.
    """
    state = await connection.fetchval(LOCK_RUN, lease.run_id)
    if state is None:
        raise LeaseLost(lease)
    if lease.shard_no is None:
        statement = "SELECT 1 FROM runs WHERE run_id = $1 AND epoch = $2"
        held = await connection.fetchval(statement, lease.run_id, lease.epoch)
    else:
        statement = "SELECT 1 FROM shards WHERE run_id = $1 AND shard_no = $2 AND epoch = $3"
        held = await connection.fetchval(statement, lease.run_id, lease.shard_no, lease.epoch)
    if held is None:
        raise LeaseLost(lease)
    return RunState(state)


async def lock_for_end(connection: RawConnection, lease: Lease) -> RunState:
    """Do the same for whoever ends the run: one that is being cancelled ends no other way.

    Raises:
        LeaseLost: the lease is not good any more, or the run is being cancelled.
    """
    state = await lock_held(connection, lease)
    if state is RunState.CANCELLING:
        raise LeaseLost(lease)
    return state
