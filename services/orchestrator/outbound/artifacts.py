"""The files that a completed run leaves, in the shapes of the REST contract (parts C and F.6).

Documents that were stored as JSON are put in as they are, unread.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime

import orjson

from orchestrator.domain.failure import Failure
from orchestrator.domain.metrics import JsonObject, tokens_object
from orchestrator.domain.run import Run
from orchestrator.domain.run_states import RunState
from orchestrator.domain.suite import Suite, SuiteVersion
from orchestrator.outbound.services.importer import GrpcFiles, is_taken
from orchestrator.ports.services import Fence
from servicekit.errors import ServiceError


class RunArtifacts:
    """Leaves a run's artifacts with the importer."""

    def __init__(self, files: GrpcFiles) -> None:
        self._files = files

    async def store_samples(
        self, run: Run, lines: Callable[[], AsyncIterator[bytes]], fence: Fence
    ) -> None:
        """Store all samples, one a line; `lines` starts over each time it is called."""
        filename = f"{run.id}-samples.jsonl"
        await self._store(run.samples_file_id or "", filename, lines, fence)

    async def store_results(
        self, run: Run, suite: Suite, version: SuiteVersion, fence: Fence
    ) -> None:
        """Store the run with what it was made of."""
        document = {
            "object": "eval.result",
            "run": run_object(run),
            "suite": suite_object(suite),
            "version": version_object(version),
        }
        content = orjson.dumps(document)
        filename = f"{run.id}-results.json"
        await self._store(run.result_file_id or "", filename, lambda: _one(content), fence)

    async def _store(
        self,
        file_id: str,
        filename: str,
        content: Callable[[], AsyncIterator[bytes]],
        fence: Fence,
    ) -> None:
        try:
            await self._files.store(file_id, filename, content())
        except ServiceError as error:
            if not is_taken(error):
                raise
            # An earlier attempt left it, and the suite has changed since; nobody was told of it. A
            # later attempt may have left it, too, and told: so only while the lease is ours.
            async with fence():
                await self._files.delete(file_id)
            await self._files.store(file_id, filename, content())


def run_object(run: Run) -> JsonObject:
    """Return a run as REST shows it (C.3)."""
    request = run.request
    ended_at = _seconds(run.ended_at)
    return {
        "id": run.id,
        "object": "eval.run",
        "suite_id": run.suite_id,
        "suite_version": run.suite_version,
        "suite_version_id": run.suite_version_id,
        "org_id": run.org_id,
        "team_id": run.team_id,
        "status": run.state,
        "models": list(request.models),
        "task_ids": None if request.task_ids is None else list(request.task_ids),
        "judge_model": request.judge_model,
        "embedding_model": request.embedding_model,
        "generation": orjson.Fragment(request.generation_json),
        "request_counts": {
            "total": run.counts.total,
            "completed": run.counts.completed,
            "failed": run.counts.failed,
        },
        "metrics": orjson.Fragment(run.metrics_json) if run.metrics_json else None,
        "error": _error_object(run.error),
        "artifact_file_ids": run.artifact_file_ids,
        "metadata": dict(request.metadata),
        "origin": run.origin,
        "agent_name": run.agent.name if run.agent else None,
        "agent_version": run.agent.version if run.agent else None,
        "agent_effort": run.agent.effort if run.agent else None,
        "cost_usd": run.cost_usd,
        "tokens": tokens_object(run.tokens),
        "generation_concurrency": request.generation_concurrency,
        "grader_concurrency": request.grader_concurrency,
        "max_samples_per_task": request.max_samples_per_task,
        "created_at": _seconds(run.created_at),
        "started_at": _seconds(run.started_at),
        "completed_at": ended_at if run.state is RunState.COMPLETED else None,
        "cancelled_at": ended_at if run.state is RunState.CANCELLED else None,
        "failed_at": ended_at if run.state is RunState.FAILED else None,
    }


def suite_object(suite: Suite) -> JsonObject:
    """Return a suite as its owner sees it in REST (C.1)."""
    return {
        "id": suite.id,
        "object": "eval.suite",
        "name": suite.name,
        "description": suite.description,
        "org_id": suite.org_id,
        "team_id": suite.team_id,
        "access": "owner",
        "active_version": suite.active_version,
        "latest_version": suite.latest_version,
        "metadata": dict(suite.metadata),
        "created_at": _seconds(suite.created_at),
        "updated_at": _seconds(suite.updated_at),
    }


def version_object(version: SuiteVersion) -> JsonObject:
    """Return a suite version as REST shows it (C.2)."""
    return {
        "id": version.id,
        "object": "eval.suite.version",
        "suite_id": version.suite_id,
        "version": version.version,
        "manifest": orjson.Fragment(version.content.manifest_json),
        "dataset_file_ids": list(version.content.dataset_file_ids),
        "metadata": dict(version.content.metadata),
        "created_at": _seconds(version.created_at),
    }


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _error_object(failure: Failure | None) -> JsonObject | None:
    if failure is None:
        return None
    return {"code": failure.code, "message": failure.message, "stage": failure.stage}


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
