"""Changes of runs that their team asks for, each in one transaction."""

from orchestrator.domain.history import ImportedRunFixed
from orchestrator.domain.run import Run
from orchestrator.domain.run_states import ENDED, RunEvent, RunState
from orchestrator.outbound.postgres.agents.trajectories import (
    drop_trajectories,
    drop_trajectories_of_suite,
)
from orchestrator.outbound.postgres.messages import RunAnnouncer
from orchestrator.outbound.postgres.run_changes.discards import (
    discard_artifacts,
    discard_artifacts_of_suite,
)
from orchestrator.outbound.postgres.run_changes.requeueing import requeue
from orchestrator.outbound.postgres.run_changes.stopping import RunStopper
from orchestrator.outbound.postgres.run_records import read_run
from orchestrator.outbound.postgres.schedules.schedules import disable_schedules_of_suite
from orchestrator.outbound.postgres.visibility import locked_run, require_owned_suite
from pgstore.database import Database
from servicekit.caller import Caller

_RECORDED = "SELECT origin <> 'executed' FROM runs WHERE run_id = $1"
_DELETE = "UPDATE runs SET deleted_at = now() WHERE run_id = $1"

_DELETE_RUNS_OF_SUITE = """
UPDATE runs SET deleted_at = now() WHERE suite_id = $1 AND deleted_at IS NULL
"""
_DELETE_SUITE = "UPDATE suites SET deleted_at = now() WHERE suite_id = $1"
_DELETE_SHARES_OF_SUITE = "DELETE FROM suite_shares WHERE suite_id = $1"
_LOCK_RUNS_OF_SUITE = """
SELECT run_id, state FROM runs WHERE suite_id = $1 AND deleted_at IS NULL
ORDER BY run_id FOR NO KEY UPDATE
"""


class PostgresRunChanges:
    """Changes of the caller's team's runs."""

    def __init__(self, database: Database, announcer: RunAnnouncer, stopper: RunStopper) -> None:
        self._database = database
        self._announcer = announcer
        self._stopper = stopper

    async def cancel(self, caller: Caller, run_id: str) -> Run:
        """Stop a run and return it, cancelling or cancelled; see `ports.stores.RunChanges`."""
        async with self._database.connection() as connection, connection.transaction():
            state = await locked_run(connection, caller, run_id)
            await self._stopper.cancel(connection, run_id, state)
            return await read_run(connection, run_id)

    async def rerun_failed(self, caller: Caller, run_id: str, *, token: str) -> Run:
        """Queue a completed run's failed samples again; see `ports.stores.RunChanges`."""
        return await self._requeue(caller, run_id, RunEvent.RERUN_FAILED, token)

    async def retry(self, caller: Caller, run_id: str, *, token: str) -> Run:
        """Resume a failed or cancelled run; see `ports.stores.RunChanges`."""
        return await self._requeue(caller, run_id, RunEvent.RETRY, token)

    async def delete(self, caller: Caller, run_id: str) -> None:
        """Hide a run, cancelled first if it is unfinished; see `ports.stores.RunChanges`."""
        async with self._database.connection() as connection, connection.transaction():
            state = await locked_run(connection, caller, run_id)
            if state in ENDED:
                await discard_artifacts(connection, run_id)
            else:
                await self._stopper.cancel(connection, run_id, state)
            await drop_trajectories(connection, run_id)
            await connection.execute(_DELETE, run_id)

    async def delete_suite(self, caller: Caller, suite_id: str) -> int:
        """Hide a suite and all its runs; return how many; see `ports.stores.RunChanges`."""
        async with self._database.connection() as connection, connection.transaction():
            # Whoever adds a run, a version or a share waits for this, and finds the suite deleted.
            await require_owned_suite(connection, caller, suite_id, lock="FOR UPDATE")
            runs = await connection.fetch(_LOCK_RUNS_OF_SUITE, suite_id)
            # There may be thousands; only those with something to stop are taken one by one.
            for run_id, state in ((run["run_id"], RunState(run["state"])) for run in runs):
                if state not in ENDED:
                    await self._stopper.cancel(connection, run_id, state)
            await discard_artifacts_of_suite(connection, suite_id)
            await drop_trajectories_of_suite(connection, suite_id)
            await connection.execute(_DELETE_RUNS_OF_SUITE, suite_id)
            await connection.execute(_DELETE_SHARES_OF_SUITE, suite_id)
            await disable_schedules_of_suite(connection, suite_id)
            await connection.execute(_DELETE_SUITE, suite_id)
            return len(runs)

    async def _requeue(self, caller: Caller, run_id: str, event: RunEvent, token: str) -> Run:
        async with self._database.connection() as connection, connection.transaction():
            state = await locked_run(connection, caller, run_id)
            if await connection.fetchval(_RECORDED, run_id):
                raise ImportedRunFixed(run_id)
            announcer = self._announcer
            await requeue(connection, run_id, state, event, token=token, announcer=announcer)
            return await read_run(connection, run_id)
