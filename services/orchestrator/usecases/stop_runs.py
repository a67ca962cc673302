"""Stop runs, and delete them."""

from orchestrator.domain.run import Run
from orchestrator.ports.stores import RunChanges
from orchestrator.usecases.keep_leases import LeaseKeeper
from servicekit import logs
from servicekit.caller import Caller

_log = logs.get_logger("orchestrator.stop_runs")


class StopRuns:
    """Cancels and deletes; work of this process stops at once, others' at their next heartbeat."""

    def __init__(self, changes: RunChanges, keeper: LeaseKeeper) -> None:
        self._changes = changes
        self._keeper = keeper

    async def cancel(self, caller: Caller, run_id: str) -> Run:
        """Stop a run and return it, cancelling or cancelled.

        Raises:
            RunNotFound: the team has no such run.
            RunNotCancellable: it has completed or failed.
        """
        run = await self._changes.cancel(caller, run_id)
        self._keeper.hurry()
        _log.info("run_cancelled", run_id=run_id, state=run.state)
        return run

    async def delete(self, caller: Caller, run_id: str) -> None:
        """Hide a run and discard its artifacts; an unfinished one is cancelled first.

        Raises:
            RunNotFound: the team has no such run.
        """
        await self._changes.delete(caller, run_id)
        self._keeper.hurry()
        _log.info("run_deleted", run_id=run_id)

    async def delete_suite(self, caller: Caller, suite_id: str) -> int:
        """Hide a suite with its runs; return how many runs were hidden.

        Raises:
            SuiteNotFound: the team has no such suite.
        """
        runs = await self._changes.delete_suite(caller, suite_id)
        self._keeper.hurry()
        _log.info("suite_deleted", suite_id=suite_id, runs=runs)
        return runs
