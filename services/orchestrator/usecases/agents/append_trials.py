"""Add trials to an open run of an agent."""

from collections.abc import Sequence

from orchestrator.domain.agents.trial import Trial
from orchestrator.domain.run import Run
from orchestrator.ports.agents import AgentRuns
from orchestrator.ports.stores import Runs, Suites
from orchestrator.usecases.agents.complete_now import CompleteNow
from orchestrator.usecases.agents.record_run import metrics_of
from orchestrator.usecases.task_metrics import task_metrics
from servicekit import logs
from servicekit.caller import Caller

_log = logs.get_logger("orchestrator.append_trials")


class AppendTrials:
    """Adds trials; repeating it changes nothing."""

    def __init__(
        self, agent_runs: AgentRuns, runs: Runs, suites: Suites, complete_now: CompleteNow
    ) -> None:
        self._agent_runs = agent_runs
        self._runs = runs
        self._suites = suites
        self._complete_now = complete_now

    async def __call__(
        self, caller: Caller, run_id: str, trials: Sequence[Trial], *, finalize: bool
    ) -> Run:
        """Return the run with the trials, completed when it was to be.

        Raises:
            RunNotFound: the caller sees no such run.
            SharedReadOnly: it is another organisation's.
            RunNotRecorded: it is no run of an agent.
            RunNotOpen: it is finalizing or has ended; only a failed one is opened again.
            RequestInvalid: a trial's task is not in the version, or two stand in the same place.
            TooManyTrials: it would have too many.
        """
        run = await self._runs.get(caller, run_id)
        version = await self._suites.get_version(caller, run.suite_id, run.suite_version)
        tasks = task_metrics(version.content.manifest_json)
        added = await self._agent_runs.append(
            caller,
            run_id,
            trials,
            finalize=finalize,
            metrics_of=metrics_of(tasks, run.request.models),
        )
        _log.info("trials_added", run_id=run_id, trials=len(trials), state=added.state)
        return await self._complete_now(caller, added)
