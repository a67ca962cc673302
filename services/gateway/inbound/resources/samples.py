"""Sample objects."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Literal

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import Field

from gateway.inbound.resources.redaction import without_blobs
from gateway.inbound.resources.resource import (
    Identified,
    Page,
    object_if_set,
    object_of,
    seconds,
    seconds_if_set,
    text_if_set,
)
from gateway.inbound.resources.runs import count_if_reported, failure_object
from proctor.runs.v1 import sample_pb2

_STATE_PREFIX = "SAMPLE_STATE_"


class SampleStatus(StrEnum):
    """Where a sample is in its life."""

    QUEUED = "queued"
    GENERATING = "generating"
    READY_TO_SCORE = "ready_to_score"
    SCORING = "scoring"
    COMPLETED = "completed"
    FAILED = "failed"


class SampleStatusFilter(StrEnum):
    """What a list of samples can be narrowed to; `running` is an older word for all between."""

    QUEUED = "queued"
    GENERATING = "generating"
    READY_TO_SCORE = "ready_to_score"
    SCORING = "scoring"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class SampleObject(Identified):
    """One row of one task, answered by one model."""

    object: Literal["eval.sample"] = "eval.sample"
    run_id: str
    task_id: str
    model: str
    sample_index: int = Field(description="0-based; unique per task and model.")
    status: SampleStatus
    dataset_row: dict[str, Any] | None
    prompt: str
    target: str | None
    response_id: str | None
    output_text: str | None
    reasoning: str | None
    extracted_output: str | None
    scores: dict[str, Any]
    judge: dict[str, Any] | None
    error: dict[str, Any] | None = Field(
        description="`code`, `message`, `stage`; of a recorded trial as it was reported, also when "
        "the trial did not fail."
    )
    cost_usd: float | None = Field(description="Of recorded trials, as reported.")
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    tokens_estimated: bool
    phase_timings: dict[str, Any] | None
    created_at: int = Field(description="Unix seconds.")
    started_at: int | None
    completed_at: int | None


class SampleList(Page[SampleObject]):
    """One page of samples."""


def sample_object(sample: sample_pb2.Sample) -> SampleObject:
    """The REST object of a sample; inline `data:` blobs of its row are left out."""
    word = sample_pb2.SampleState.Name(sample.state).removeprefix(_STATE_PREFIX).lower()
    return SampleObject(
        id=sample.sample_id,
        run_id=sample.run_id,
        task_id=sample.task_id,
        model=sample.model,
        sample_index=sample.sample_index,
        status=SampleStatus(word),
        dataset_row=_row(sample.dataset_row_json),
        prompt=sample.prompt,
        target=text_if_set(sample, "target"),
        response_id=text_if_set(sample, "response_id"),
        output_text=text_if_set(sample, "output_text"),
        reasoning=text_if_set(sample, "reasoning"),
        extracted_output=text_if_set(sample, "extracted_output"),
        scores=object_of(sample.scores_json),
        judge=object_if_set(sample.judge_json),
        error=_error(sample),
        cost_usd=sample.cost_usd if sample.HasField("cost_usd") else None,
        input_tokens=count_if_reported(sample.tokens, "input_tokens"),
        output_tokens=count_if_reported(sample.tokens, "output_tokens"),
        cached_tokens=count_if_reported(sample.tokens, "cached_tokens"),
        reasoning_tokens=count_if_reported(sample.tokens, "reasoning_tokens"),
        tokens_estimated=sample.tokens.estimated,
        phase_timings=_phase_timings(sample),
        created_at=seconds(sample.create_time),
        started_at=seconds_if_set(sample, "start_time"),
        completed_at=seconds_if_set(sample, "end_time"),
    )


def sample_states(status: SampleStatusFilter) -> "Sequence[sample_pb2.SampleState.ValueType]":
    """The wire's words for a filter."""
    if status is SampleStatusFilter.RUNNING:
        return (
            sample_pb2.SAMPLE_STATE_GENERATING,
            sample_pb2.SAMPLE_STATE_READY_TO_SCORE,
            sample_pb2.SAMPLE_STATE_SCORING,
        )
    return (sample_pb2.SampleState.Value(f"{_STATE_PREFIX}{status.name}"),)


def _row(json: bytes) -> dict[str, Any] | None:
    row = object_if_set(json)
    # Looking at the bytes first keeps rows without blobs, nearly all, from being walked.
    return without_blobs(row) if row is not None and b'"data:' in json else row


def _error(sample: sample_pb2.Sample) -> dict[str, Any] | None:
    if sample.recorded_error_json:
        return object_of(sample.recorded_error_json)
    return failure_object(sample.error) if sample.HasField("error") else None


def _phase_timings(sample: sample_pb2.Sample) -> dict[str, Any] | None:
    if sample.phase_timings_json:
        return object_of(sample.phase_timings_json)
    if not sample.HasField("generation_start_time"):
        return None
    ended = sample.HasField("generation_end_time")
    return {
        "generation": {
            "started_at": _iso(sample.generation_start_time),
            "finished_at": _iso(sample.generation_end_time) if ended else None,
        }
    }


def _iso(time: Timestamp) -> str:
    return time.ToJsonString()
