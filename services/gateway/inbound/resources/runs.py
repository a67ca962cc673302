"""Run and artifacts objects."""

from collections.abc import Mapping
from enum import StrEnum
from functools import reduce
from typing import Any, Literal

from pydantic import Field

from gateway.domain.usage import ModelUsage, TokenCounts
from gateway.inbound.resources.resource import (
    Identified,
    Page,
    Resource,
    object_if_set,
    object_of,
    seconds,
    seconds_if_set,
    text_if_set,
)
from proctor.common.v1 import usage_pb2
from proctor.runs.v1 import run_pb2, run_service_pb2

_STATE_PREFIX = "RUN_STATE_"

TokenField = Literal["input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"]


class RunStatus(StrEnum):
    """Where a run is in its life."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class RunStatusFilter(StrEnum):
    """What a list of runs can be narrowed to; `running` is an older word for `in_progress`."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    RUNNING = "running"


class RunOrigin(StrEnum):
    """Where a run's results come from."""

    EXECUTED = "executed"
    IMPORTED = "imported"
    AGENT = "agent"


class RequestCounts(Resource):
    """How many samples a run has and how they ended."""

    total: int
    completed: int
    failed: int


class Tokens(Resource):
    """Token sums; null means that nobody reported the figure, which is not zero."""

    input: int | None
    output: int | None
    cached: int | None
    reasoning: int | None


class ModelUsageObject(Resource):
    """Answered calls of a model, with what its provider reported."""

    model_calls: int
    tokens: Tokens


class GraderUsageObject(ModelUsageObject):
    """What a run's graders asked judge and embedding models, repeated executions included."""

    by_model: dict[str, ModelUsageObject]


class RunObject(Identified):
    """One execution of a suite version against models."""

    object: Literal["eval.run"] = "eval.run"
    suite_id: str
    suite_version: int
    suite_version_id: str
    org_id: str
    team_id: str
    status: RunStatus
    models: list[str]
    task_ids: list[str] | None = Field(description="Null: every task of the version.")
    judge_model: str | None
    embedding_model: str | None
    generation: dict[str, Any]
    request_counts: RequestCounts
    metrics: dict[str, Any] | None = Field(description="By model and by task; null until finished.")
    error: dict[str, Any] | None = Field(description="Why the run failed: `code`, `message`.")
    artifact_file_ids: list[str]
    metadata: dict[str, str]
    origin: RunOrigin = Field(
        description="`executed` here, `imported` from result files of another harness, or reported "
        "by whoever ran an `agent`. Only executed runs can be run again."
    )
    agent_name: str | None
    agent_version: str | None
    agent_effort: str | None
    cost_usd: float | None = Field(description="As reported, else the sum over the samples.")
    tokens: Tokens = Field(description="Of the evaluated models; sums over the samples.")
    grader_usage: GraderUsageObject = Field(
        description="What graders asked models, apart from `tokens`; grows while the run works."
    )
    generation_concurrency: int = Field(description="Model calls in flight at most.")
    grader_concurrency: int = Field(description="Grader executions at once at most.")
    max_samples_per_task: int | None = Field(description="Cap on rows per task; null for none.")
    schedule_id: str | None = Field(description="The schedule that started it; null for none.")
    created_at: int = Field(description="Unix seconds.")
    started_at: int | None
    completed_at: int | None
    cancelled_at: int | None
    failed_at: int | None


class RunList(Page[RunObject]):
    """One page of runs."""


class RunDeleted(Identified):
    """A run that is gone."""

    object: Literal["eval.run.deleted"] = "eval.run.deleted"
    deleted: Literal[True] = True


class ArtifactsObject(Resource):
    """The files that a finished run left; null and empty before, and on a run of others."""

    object: Literal["eval.artifacts"] = "eval.artifacts"
    run_id: str
    result_file_id: str | None
    samples_file_id: str | None
    artifact_file_ids: list[str]


def run_object(run: run_pb2.Run, grader_usage: Mapping[str, ModelUsage]) -> RunObject:
    """The REST object of a run.

    Args:
        run: As the run service has it.
        grader_usage: What its graders asked, by model.
    """
    status = run_status(run.state)
    ended_at = seconds_if_set(run, "end_time")
    capped = run.HasField("max_samples_per_task")
    return RunObject(
        id=run.run_id,
        suite_id=run.suite_id,
        suite_version=run.suite_version,
        suite_version_id=run.suite_version_id,
        org_id=run.org_id,
        team_id=run.team_id,
        status=status,
        models=list(run.models),
        task_ids=list(run.task_ids) if run.selects_tasks else None,
        judge_model=text_if_set(run, "judge_model"),
        embedding_model=text_if_set(run, "embedding_model"),
        generation=object_of(run.generation_json),
        request_counts=RequestCounts(
            total=run.request_counts.total,
            completed=run.request_counts.completed,
            failed=run.request_counts.failed,
        ),
        metrics=object_if_set(run.metrics_json),
        error=failure_object(run.error) if run.HasField("error") else None,
        artifact_file_ids=list(run.artifact_file_ids),
        metadata=dict(run.metadata),
        origin=_origin(run),
        agent_name=text_if_set(run, "agent_name"),
        agent_version=text_if_set(run, "agent_version"),
        agent_effort=text_if_set(run, "agent_effort"),
        cost_usd=run.cost_usd if run.HasField("cost_usd") else None,
        tokens=tokens_object(run.tokens),
        grader_usage=_grader_usage(grader_usage),
        generation_concurrency=run.generation_concurrency,
        grader_concurrency=run.grader_concurrency,
        max_samples_per_task=run.max_samples_per_task if capped else None,
        schedule_id=text_if_set(run, "schedule_id"),
        created_at=seconds(run.create_time),
        started_at=seconds_if_set(run, "start_time"),
        completed_at=ended_at if status is RunStatus.COMPLETED else None,
        cancelled_at=ended_at if status is RunStatus.CANCELLED else None,
        failed_at=ended_at if status is RunStatus.FAILED else None,
    )


def artifacts_object(
    run_id: str, artifacts: run_service_pb2.GetArtifactsResponse
) -> ArtifactsObject:
    """The REST object of a run's artifacts."""
    result = text_if_set(artifacts, "result_file_id")
    samples = text_if_set(artifacts, "samples_file_id")
    return ArtifactsObject(
        run_id=run_id,
        result_file_id=result,
        samples_file_id=samples,
        artifact_file_ids=[file_id for file_id in (result, samples) if file_id is not None],
    )


def run_status(state: "run_pb2.RunState.ValueType") -> RunStatus:
    """The contract's word for a state of the wire."""
    return RunStatus(run_pb2.RunState.Name(state).removeprefix(_STATE_PREFIX).lower())


def run_state(status: RunStatusFilter) -> "run_pb2.RunState.ValueType":
    """The wire's word for a filter."""
    if status is RunStatusFilter.RUNNING:
        return run_pb2.RUN_STATE_IN_PROGRESS
    return run_pb2.RunState.Value(f"{_STATE_PREFIX}{status.name}")


def failure_object(failure: run_pb2.Failure) -> dict[str, Any]:
    """The `error` member of a run or a sample."""
    staged = {"stage": failure.stage} if failure.stage else {}
    # The fixed members win over details of the same name.
    details = object_of(failure.details_json)
    return {**details, "code": failure.code, "message": failure.message, **staged}


def _origin(run: run_pb2.Run) -> RunOrigin:
    # An orchestrator from before there were others does not say.
    if run.origin == run_pb2.RUN_ORIGIN_UNSPECIFIED:
        return RunOrigin.EXECUTED
    return RunOrigin(run_pb2.RunOrigin.Name(run.origin).removeprefix("RUN_ORIGIN_").lower())


def count_if_reported(usage: usage_pb2.TokenUsage, field: TokenField) -> int | None:
    """A token figure, or nothing when nobody reported it."""
    count: int | None = getattr(usage, field) if usage.HasField(field) else None
    return count


def _grader_usage(by_model: Mapping[str, ModelUsage]) -> GraderUsageObject:
    total = reduce(ModelUsage.plus, by_model.values(), ModelUsage())
    return GraderUsageObject(
        model_calls=total.calls,
        tokens=_token_sums(total.tokens),
        by_model={
            model: ModelUsageObject(model_calls=usage.calls, tokens=_token_sums(usage.tokens))
            for model, usage in by_model.items()
        },
    )


def _token_sums(sums: TokenCounts) -> Tokens:
    return Tokens(
        input=sums.input_tokens,
        output=sums.output_tokens,
        cached=sums.cached_tokens,
        reasoning=sums.reasoning_tokens,
    )


def tokens_object(usage: usage_pb2.TokenUsage) -> Tokens:
    """Token sums as the contract has them."""
    return Tokens(
        input=count_if_reported(usage, "input_tokens"),
        output=count_if_reported(usage, "output_tokens"),
        cached=count_if_reported(usage, "cached_tokens"),
        reasoning=count_if_reported(usage, "reasoning_tokens"),
    )
