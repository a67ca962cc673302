"""Grade all samples of a task and model in one execution."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from orchestrator.domain.outcomes import lost_for_good, too_large
from orchestrator.domain.work import ShardJob
from orchestrator.ports.services import Grading, Sandbox
from orchestrator.ports.stores import ShardSamples
from orchestrator.usecases.backoff import Backoff, insist
from orchestrator.usecases.failures import is_passing
from orchestrator.usecases.grade_samples import (
    LOSSES_MAX,
    OPEN_MARGIN,
    SENT_BYTES_MAX,
    asks_models,
    grading_order,
    stall_s,
)
from orchestrator.usecases.hold_run_token import RunToken
from orchestrator.usecases.store_results import ResultStore
from servicekit import logs
from servicekit.errors import ServiceError

_PAGE = 100

_log = logs.get_logger("orchestrator.grade_group")


@dataclass(slots=True)
class _Execution:
    """What came back of one execution."""

    answered: set[int] = field(default_factory=set)
    lost: bool = False
    metrics_json: bytes = b""


class GroupGrader:
    """Grades an aggregate shard; one that is interrupted starts over with all its samples."""

    def __init__(
        self, job: ShardJob, *, samples: ShardSamples, sandbox: Sandbox, token: RunToken
    ) -> None:
        self._job = job
        self._samples = samples
        self._sandbox = sandbox
        self._token = token

    async def run(self) -> None:
        """Return when the whole group is graded; a grader that is away is waited for."""
        backoff, losses = Backoff(), 0
        while indices := await insist(partial(self._samples.restart_group, self._job.shard)):
            if losses > LOSSES_MAX:
                await self._let_go(indices)
                return
            try:
                if await self._execute(indices):
                    return
                losses += 1
            except (ServiceError, TimeoutError, ExceptionGroup) as error:
                if not is_passing(error):
                    raise
                _log.warning("grading_interrupted", samples=len(indices), error=repr(error))
            await backoff.wait()

    async def _execute(self, indices: Sequence[int]) -> bool:
        """Run the grader once over all samples; tell whether every one was answered."""
        execution = _Execution()
        async with asyncio.TaskGroup() as tasks:
            results = self._result_store()
            tasks.create_task(results.run())
            await self._grade(indices, execution, results)
            results.close()
        if execution.lost or execution.answered != set(indices):
            return False
        if execution.metrics_json:
            shard, metrics_json = self._job.shard, execution.metrics_json
            await insist(partial(self._samples.add_group_metrics, shard, metrics_json))
        return True

    async def _grade(
        self, indices: Sequence[int], execution: _Execution, results: ResultStore
    ) -> None:
        run_token = ""
        if asks_models(self._job):
            run_token = await self._token.current(margin=OPEN_MARGIN)
        order = grading_order(self._job, run_token, concurrency=1)
        async with self._sandbox.grade(order) as grading, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send(grading, indices, execution, results))
            async with asyncio.timeout(stall_s(self._job)) as stall:
                async for report in grading.reports():
                    stall.reschedule(asyncio.get_running_loop().time() + stall_s(self._job))
                    execution.lost |= bool(report.lost)
                    execution.metrics_json = report.metrics_json or execution.metrics_json
                    for graded in report.graded:
                        execution.answered.add(graded.sample_index)
                        results.add_graded(graded)

    async def _send(
        self,
        grading: Grading,
        indices: Sequence[int],
        execution: _Execution,
        results: ResultStore,
    ) -> None:
        rest = list(indices)
        while rest:
            samples = await insist(partial(self._samples.gradable, self._job.shard, rest[:_PAGE]))
            rest = rest[len(samples) :]
            fitting = [sample for sample in samples if sample.fits(SENT_BYTES_MAX)]
            for sample in samples:
                if not sample.fits(SENT_BYTES_MAX):
                    execution.answered.add(sample.sample_index)
                    results.add_graded(too_large(sample.sample_index))
            if fitting:
                results.note_scoring([sample.sample_index for sample in fitting])
                await grading.send(fitting)
        await grading.end()

    async def _let_go(self, indices: Sequence[int]) -> None:
        async with asyncio.TaskGroup() as tasks:
            results = self._result_store()
            tasks.create_task(results.run())
            for index in indices:
                results.add_graded(lost_for_good(index))
            results.close()

    def _result_store(self) -> ResultStore:
        return ResultStore(self._job.shard, self._samples, share=1, on_ready=lambda _: None)
