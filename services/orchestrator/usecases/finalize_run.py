"""Add up a run whose samples have all ended, and leave its artifacts."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import orjson

from orchestrator.domain.ids import ArtifactKind, artifact_file_id
from orchestrator.domain.metrics import Counts, TaskMetrics, run_metrics
from orchestrator.domain.run import Run
from orchestrator.domain.run_states import RunEvent, next_state
from orchestrator.domain.tokens import sum_tokens
from orchestrator.domain.work import Lease, RunJob, RunStep
from orchestrator.ports.services import Artifacts
from orchestrator.ports.stores import Results, RunSteps
from orchestrator.usecases.failures import as_run_failure
from orchestrator.usecases.leased_work import LeasedWork
from orchestrator.usecases.on_behalf import caller_of
from orchestrator.usecases.task_metrics import task_metrics
from servicekit import logs
from servicekit.caller import calling_as
from servicekit.errors import ServiceError

_STAGE = "finalize"

_log = logs.get_logger("orchestrator.finalize_run")


class FinalizeRun:
    """Finalises runs; every part of it may be repeated and makes the same thing."""

    def __init__(
        self, *, steps: RunSteps, results: Results, artifacts: Artifacts, leased: LeasedWork
    ) -> None:
        self._steps = steps
        self._results = results
        self._artifacts = artifacts
        self._leased = leased

    async def __call__(self, run_id: str) -> None:
        """Complete a run; nothing when that is not due."""
        job = await self._steps.take(run_id, RunStep.FINALIZE)
        if job is None:
            return
        async with self._leased.under(job.lease, stage=_STAGE) as held:
            run = await self._add_up(job)
            with calling_as(caller_of(run)):
                await self._leave_artifacts(run, job.lease)
            held.let_go()
            await self._results.complete(
                job.lease,
                result_file_id=run.artifact_file_ids[0],
                samples_file_id=run.artifact_file_ids[1],
            )
            _log.info("run_completed", samples=run.counts.total, failed=run.counts.failed)

    async def _add_up(self, job: RunJob) -> Run:
        """Store what the samples add up to; return the run as it will be when it is completed."""
        groups = await self._results.groups(job.run.id)
        metrics_json = orjson.dumps(run_metrics(_selected(job), job.run.request.models, groups))
        counts = Counts(
            total=sum(group.counts.total for group in groups),
            completed=sum(group.counts.completed for group in groups),
            failed=sum(group.counts.failed for group in groups),
        )
        tokens = sum_tokens(group.tokens for group in groups)
        ended_at = await self._results.store(
            job.lease, metrics_json=metrics_json, counts=counts, tokens=tokens
        )
        file_id = {
            kind: artifact_file_id(job.run.id, kind, job.run.edition) for kind in ArtifactKind
        }
        return replace(
            job.run,
            state=next_state(job.run.state, RunEvent.FINISH),
            counts=counts,
            tokens=tokens,
            metrics_json=metrics_json,
            ended_at=ended_at,
            result_file_id=file_id[ArtifactKind.RESULTS],
            samples_file_id=file_id[ArtifactKind.SAMPLES],
        )

    async def _leave_artifacts(self, run: Run, lease: Lease) -> None:
        suite, version = await self._results.origin(run.id)

        def fence() -> AbstractAsyncContextManager[None]:
            return self._results.holding(lease)

        try:
            await self._artifacts.store_samples(
                run, lambda: self._results.sample_lines(run.id), fence
            )
            await self._artifacts.store_results(run, suite, version, fence)
        except ServiceError as error:
            raise as_run_failure(error, stage=_STAGE) from error


def _selected(job: RunJob) -> list[TaskMetrics]:
    wanted = job.run.request.task_ids
    tasks = task_metrics(job.manifest_json)
    return [task for task in tasks if wanted is None or task.task_id in wanted]
