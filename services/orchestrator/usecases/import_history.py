"""Make runs of what happened elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import orjson

from manifest import references
from manifest.parsing import parse_manifest
from manifest.schema import normalised_json
from orchestrator.domain.history import (
    PATHS_MAX,
    RUNS_MAX,
    TASKS_MAX,
    CommittedHistory,
    HistoricalSample,
    HistoryInvalid,
    HistoryOrder,
    HistoryStanding,
    HistoryTarget,
    TooManyTasks,
)
from orchestrator.domain.ids import IdPrefix, is_id
from orchestrator.domain.metrics import Counts
from orchestrator.domain.requests import model_problems, require, suite_problems
from orchestrator.domain.suite import VersionContent
from orchestrator.ports.history import History, HistoryStages
from servicekit import logs
from servicekit.caller import Caller
from servicekit.clock import Clock
from servicekit.rounds import in_rounds

_AWAIT_S = 10.0
_POLL_FIRST_S = 0.05
_POLL_LONGEST_S = 0.5

# An import ends within an hour; what it staged and never committed is of one that died.
ABANDONED_AFTER = timedelta(hours=6)
_REMOVED_AT_ONCE = 20

_log = logs.get_logger("orchestrator.import_history")


class ImportHistory:
    """Takes imported samples, and makes them runs."""

    def __init__(self, history: History, stages: HistoryStages) -> None:
        self._history = history
        self._stages = stages

    async def look_up(
        self, caller: Caller, target: HistoryTarget, paths: Sequence[str]
    ) -> HistoryStanding:
        """Tell where an import would go and what is there already; raise SuiteNotFound."""
        if len(paths) > PATHS_MAX:
            raise HistoryInvalid(f"at most {PATHS_MAX} paths at once", paths=len(paths))
        return await self._history.look_up(caller, target, paths)

    async def stage(
        self,
        caller: Caller,
        run_id: str,
        time: datetime,
        batches: AsyncIterator[Sequence[HistoricalSample]],
    ) -> Counts:
        """Keep the samples of a future run, unseen; see `ports.history.HistoryStages`."""
        if not is_id(run_id, IdPrefix.RUN):
            raise HistoryInvalid("run_id must be eval_run_ and 32 hex digits")
        return await self._stages.stage(caller, run_id, time, batches)

    async def commit(self, caller: Caller, order: HistoryOrder) -> CommittedHistory:
        """Make staged samples runs.

        Raises:
            SuiteNotFound, SharedReadOnly: the suite is not the caller's.
            TooManyTasks: a version would have more than 100 tasks.
            HistoryNotStaged: samples of a run are missing.
            HistoryInvalid: no runs, too many, or one without its task.
            RequestInvalid: a name, model or label breaks rules.
        """
        _check(order)
        return await self._history.commit(caller, order, _appended)

    async def await_end(self, caller: Caller, run_ids: Sequence[str]) -> int:
        """Wait until runs have ended, at most 10 s; return how many have not."""
        loop = asyncio.get_running_loop()
        until, pause_s = loop.time() + _AWAIT_S, _POLL_FIRST_S
        while True:
            unfinished = await self._history.unfinished(caller, run_ids[:RUNS_MAX])
            if not unfinished or loop.time() + pause_s > until:
                return unfinished
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _POLL_LONGEST_S)


class StageRemover:
    """Looks every `period_s` for what imports that died have left."""

    def __init__(self, stages: HistoryStages, clock: Clock, *, period_s: float) -> None:
        self._stages = stages
        self._clock = clock
        self._period_s = period_s

    async def run(self) -> None:
        """Remove until cancelled."""
        await in_rounds(self.remove, period_s=self._period_s, log=_log, failed="stages_not_removed")

    async def remove(self) -> int:
        """Remove everything that was abandoned; return of how many runs."""
        before = self._clock.utc_now() - ABANDONED_AFTER
        removed = 0
        while found := await self._stages.remove_abandoned(before=before, limit=_REMOVED_AT_ONCE):
            removed += found
        if removed:
            _log.info("abandoned_stages_removed", runs=removed)
        return removed


def _check(order: HistoryOrder) -> None:
    if not 1 <= len(order.runs) <= RUNS_MAX:
        raise HistoryInvalid(f"an import makes 1 to {RUNS_MAX} runs", runs=len(order.runs))
    target = order.target
    require(
        suite_problems(
            name=target.suite_name,
            description=order.suite_description,
            metadata=order.suite_metadata,
        )
    )
    for run in order.runs:
        require(model_problems([run.model]))
        if run.task_id not in order.tasks:
            raise HistoryInvalid("a run names a task that was not sent", task_id=run.task_id)


def _appended(
    standing: HistoryStanding, order: HistoryOrder, missing: Sequence[str]
) -> VersionContent:
    """Make the manifest of the next version: what the active one has, and the missing tasks."""
    count = len(standing.task_ids) + len(missing)
    if count > TASKS_MAX:
        raise TooManyTasks(count)
    document = orjson.loads(standing.manifest_json) if standing.manifest_json else {"tasks": []}
    document["tasks"] += [orjson.loads(order.tasks[task_id]) for task_id in missing]
    manifest = parse_manifest(orjson.dumps(document))
    return VersionContent(
        manifest_json=normalised_json(manifest),
        task_ids=[task.id for task in manifest.tasks],
        dataset_file_ids=references.dataset_file_ids(manifest),
        metadata={} if standing.suite_id else order.suite_metadata,
    )
