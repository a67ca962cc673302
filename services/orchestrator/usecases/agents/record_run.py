"""Record a run of an agent."""

from collections.abc import Sequence

import orjson

from orchestrator.domain import requests
from orchestrator.domain.agents.record import AgentRunDraft, KeyReused, time_problems
from orchestrator.domain.agents.trial import trial_problems
from orchestrator.domain.metrics import GroupResult, TaskMetrics, run_metrics
from orchestrator.domain.run import Run, UnknownSuiteVersion
from orchestrator.domain.suite import VersionRef
from orchestrator.ports.agents import AgentRuns, MetricsOf
from orchestrator.ports.stores import Suites
from orchestrator.usecases.agents.complete_now import CompleteNow
from orchestrator.usecases.task_metrics import task_metrics
from servicekit import logs
from servicekit.caller import Caller
from servicekit.clock import Clock

_log = logs.get_logger("orchestrator.record_run")


class RecordRun:
    """Records runs; those that are not to stay open are completed at once."""

    def __init__(
        self, agent_runs: AgentRuns, suites: Suites, complete_now: CompleteNow, clock: Clock
    ) -> None:
        self._agent_runs = agent_runs
        self._suites = suites
        self._complete_now = complete_now
        self._clock = clock

    async def __call__(self, caller: Caller, draft: AgentRunDraft) -> Run:
        """Return the recorded run; an idempotency key that was seen before returns its run.

        Raises:
            RequestInvalid: fields break rules, or a trial's task is not in the version.
            KeyReused: the key's run was reported otherwise.
            SuiteNotFound: there is no such suite.
            SharedReadOnly: it is another organisation's.
            UnknownSuiteVersion: the suite has no such version.
        """
        requests.require(time_problems(draft.created_at, self._clock.utc_now()))
        requests.require(requests.label_problems(draft.metadata))
        found = await self._found(caller, draft)
        while found is None:
            found = await self._add(caller, draft) or await self._found(caller, draft)
        return await self._complete_now(caller, found)

    async def _found(self, caller: Caller, draft: AgentRunDraft) -> Run | None:
        if not draft.idempotency_key:
            return None
        found = await self._agent_runs.find(caller, draft.idempotency_key)
        if found is None:
            return None
        run, sha256 = found
        if sha256 != draft.sha256():
            raise KeyReused(run.id)
        return run

    async def _add(self, caller: Caller, draft: AgentRunDraft) -> Run | None:
        version = await self._suites.find_version(caller, draft.suite_id, draft.suite_version)
        if version is None:
            raise UnknownSuiteVersion(draft.suite_id, draft.suite_version or 0)
        requests.require(trial_problems(draft.trials, version.task_ids))
        run = await self._agent_runs.add(
            caller,
            draft,
            version,
            created_at=draft.created_at or self._clock.utc_now(),
            metrics_of=await self._metrics_of(caller, version, draft.model),
        )
        if run is not None:
            _log.info("run_recorded", run_id=run.id, trials=len(draft.trials))
        return run

    async def _metrics_of(self, caller: Caller, version: VersionRef, model: str) -> MetricsOf:
        stored = await self._suites.get_version(caller, version.suite_id, version.version)
        return metrics_of(task_metrics(stored.content.manifest_json), [model])


def metrics_of(tasks: Sequence[TaskMetrics], models: Sequence[str]) -> MetricsOf:
    """Return how a run's metrics are made; tasks without samples are left out of them."""

    def make(groups: Sequence[GroupResult]) -> bytes:
        tried = {group.task_id for group in groups}
        wanted = [task for task in tasks if task.task_id in tried]
        return orjson.dumps(run_metrics(wanted, models, groups))

    return make
