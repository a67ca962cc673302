"""Runs and samples as messages."""

from orchestrator.domain.failure import Failure
from orchestrator.domain.listing import RunFilter, SampleFilter
from orchestrator.domain.metrics import SCORE
from orchestrator.domain.run import Run
from orchestrator.domain.run_states import RunState
from orchestrator.domain.sample import Sample, SampleState
from orchestrator.inbound.wire import stamp_from, usage_from
from orchestrator.usecases.create_run import RunDraft
from proctor.runs.v1 import run_pb2, run_service_pb2, sample_pb2

_RUN_PREFIX = "RUN_STATE_"
_ORIGIN_PREFIX = "RUN_ORIGIN_"
_SAMPLE_PREFIX = "SAMPLE_STATE_"


def run_from(run: Run) -> run_pb2.Run:
    """Make the message of a run."""
    request = run.request
    return run_pb2.Run(
        run_id=run.id,
        suite_id=run.suite_id,
        suite_version=run.suite_version,
        suite_version_id=run.suite_version_id,
        org_id=run.org_id,
        team_id=run.team_id,
        state=run_pb2.RunState.Value(_RUN_PREFIX + run.state.name),
        models=request.models,
        task_ids=request.task_ids or (),
        selects_tasks=request.task_ids is not None,
        judge_model=request.judge_model,
        embedding_model=request.embedding_model,
        generation_json=request.generation_json,
        request_counts=run_pb2.RequestCounts(
            total=run.counts.total, completed=run.counts.completed, failed=run.counts.failed
        ),
        metrics_json=run.metrics_json,
        error=_failure_from(run.error),
        artifact_file_ids=run.artifact_file_ids,
        metadata=request.metadata,
        tokens=usage_from(run.tokens),
        generation_concurrency=request.generation_concurrency,
        grader_concurrency=request.grader_concurrency,
        max_samples_per_task=request.max_samples_per_task,
        create_time=stamp_from(run.created_at),
        start_time=stamp_from(run.started_at),
        end_time=stamp_from(run.ended_at),
        origin=run_pb2.RunOrigin.Value(_ORIGIN_PREFIX + run.origin.name),
        agent_name=run.agent.name if run.agent else None,
        agent_version=run.agent.version if run.agent else None,
        agent_effort=run.agent.effort if run.agent else None,
        cost_usd=run.cost_usd,
        schedule_id=run.schedule_id or None,
    )


def sample_from(sample: Sample) -> sample_pb2.Sample:
    """Make the message of a sample."""
    return sample_pb2.Sample(
        sample_id=sample.id,
        run_id=sample.run_id,
        task_id=sample.task_id,
        model=sample.model,
        sample_index=sample.sample_index,
        state=sample_pb2.SampleState.Value(_SAMPLE_PREFIX + sample.state.name),
        dataset_row_json=sample.row_json,
        prompt=sample.prompt,
        target=sample.target,
        response_id=sample.response_id,
        output_text=sample.output_text,
        reasoning=sample.reasoning,
        extracted_output=sample.extracted_output,
        scores_json=sample.scores_json,
        judge_json=sample.judge_json,
        error=_failure_from(sample.error),
        tokens=usage_from(sample.tokens),
        generation_start_time=stamp_from(sample.generation_started_at),
        generation_end_time=stamp_from(sample.generation_ended_at),
        create_time=stamp_from(sample.created_at),
        start_time=stamp_from(sample.started_at),
        end_time=stamp_from(sample.ended_at),
        cost_usd=sample.cost_usd,
        phase_timings_json=sample.phase_timings_json,
        recorded_error_json=sample.recorded_error_json,
    )


def run_draft_from(request: run_service_pb2.CreateRunRequest) -> RunDraft:
    """Read what a run is to be."""
    versioned = request.HasField("suite_version")
    capped = request.HasField("max_samples_per_task")
    return RunDraft(
        run_id=request.run_id,
        suite_id=request.suite_id,
        suite_version=request.suite_version if versioned else None,
        models=list(request.models),
        task_ids=list(request.task_ids) if request.selects_tasks else None,
        judge_model=request.judge_model if request.HasField("judge_model") else None,
        embedding_model=request.embedding_model if request.HasField("embedding_model") else None,
        generation_json=request.generation_json,
        generation_concurrency=request.generation_concurrency,
        grader_concurrency=request.grader_concurrency,
        max_samples_per_task=request.max_samples_per_task if capped else None,
        metadata=dict(request.metadata),
        run_token=request.run_token,
    )


def run_filter_from(request: run_service_pb2.ListRunsRequest) -> RunFilter:
    """Read which runs are wanted."""
    versioned = request.HasField("suite_version")
    return RunFilter(
        suite_id=request.suite_id,
        suite_version=request.suite_version if versioned else None,
        state=_run_state_from(request.state),
        owned_only=request.owned_only,
        schedule_id=request.schedule_id,
    )


def sample_filter_from(request: run_service_pb2.ListSamplesRequest) -> SampleFilter:
    """Read which samples are wanted."""
    return SampleFilter(
        task_id=request.task_id,
        model=request.model,
        states=[_sample_state_from(state) for state in request.states],
        score_metric=request.score_metric or SCORE,
        score_min=request.score_min if request.HasField("score_min") else None,
        score_max=request.score_max if request.HasField("score_max") else None,
        sample_indices=list(request.sample_indices),
        with_rows=not request.omit_dataset_rows,
        with_reasoning=request.include_reasoning,
    )


def _run_state_from(state: "run_pb2.RunState.ValueType") -> RunState | None:
    if state == run_pb2.RUN_STATE_UNSPECIFIED:
        return None
    return RunState(run_pb2.RunState.Name(state).removeprefix(_RUN_PREFIX).lower())


def _sample_state_from(state: "sample_pb2.SampleState.ValueType") -> SampleState:
    return SampleState(sample_pb2.SampleState.Name(state).removeprefix(_SAMPLE_PREFIX).lower())


def _failure_from(failure: Failure | None) -> run_pb2.Failure | None:
    if failure is None:
        return None
    return run_pb2.Failure(
        code=failure.code,
        message=failure.message,
        stage=failure.stage,
        details_json=failure.details_json.encode(),
    )
