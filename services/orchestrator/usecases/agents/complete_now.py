"""Complete a recorded run while its reporter waits."""

import asyncio
from collections.abc import Awaitable, Callable

from orchestrator.domain.run import Run
from orchestrator.domain.run_states import RunState
from orchestrator.ports.agents import AgentRuns
from orchestrator.ports.stores import Runs
from servicekit import logs
from servicekit.caller import Caller

# The published client gives up after 5 s and reports again.
_PATIENCE_S = 3.5

_log = logs.get_logger("orchestrator.complete_now")


class CompleteNow:
    """Finalises recorded runs at once; nothing is written that happens only here.

    Args:
        runs: Where the completed run is read.
        agent_runs: Hands a run over to a worker.
        finalize: Finalises a run, under a lease, from its rows.
    """

    def __init__(
        self, runs: Runs, agent_runs: AgentRuns, finalize: Callable[[str], Awaitable[None]]
    ) -> None:
        self._runs = runs
        self._agent_runs = agent_runs
        self._finalize = finalize

    async def __call__(self, caller: Caller, run: Run) -> Run:
        """Return a run that is finalizing as completed; others as they are.

        It stays finalizing when that takes long or fails: the trials are stored, so that is no
        error of the report, and a worker goes on with it; when this process dies, the sweeper
        finds the run.
        """
        if run.state is not RunState.FINALIZING:
            return run
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._finalize(run.id)
        except Exception as error:  # noqa: BLE001 -- its lease is given back; a worker goes on
            _log.warning("completion_put_off", run_id=run.id, error=repr(error))
            await self._agent_runs.hand_over(run.id)
        return await self._runs.get(caller, run.id)
