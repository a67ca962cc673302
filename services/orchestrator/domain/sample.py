"""One row of one task answered by one model."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.failure import Failure
from orchestrator.domain.tokens import Tokens


class SampleState(StrEnum):
    """Where a sample is in its life; the same words in REST, on the wire and in the table."""

    QUEUED = "queued"
    GENERATING = "generating"
    READY_TO_SCORE = "ready_to_score"
    SCORING = "scoring"
    COMPLETED = "completed"
    FAILED = "failed"


ENDED = frozenset({SampleState.COMPLETED, SampleState.FAILED})

LAST_SAFE = {
    SampleState.GENERATING: SampleState.QUEUED,
    SampleState.SCORING: SampleState.READY_TO_SCORE,
}
"""Where a sample goes back to when whoever worked on it is gone: its last stored result stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A sample as it is shown: texts as stored, JSON documents as bytes that nobody here opens.

    Attributes:
        row_json: The row after preprocessing; empty when it was not asked for.
        scores_json: Metric to number; `{}` before scoring.
        judge_json: Details of the grader; empty for none.
        generation_started_at: When the first attempt of the model call began.
        generation_ended_at: When the last attempt ended.
        cost_usd: As reported; only recorded samples have it.
        phase_timings_json: Phases as they were reported; empty for none.
        recorded_error_json: A recorded sample's error as it was reported, shown instead of `error`,
            which has what could be made of it; empty for none.
    """

    id: str
    run_id: str
    task_id: str
    model: str
    sample_index: int
    state: SampleState
    row_json: bytes
    prompt: str
    target: str | None
    response_id: str | None
    output_text: str | None
    reasoning: str | None
    extracted_output: str | None
    scores_json: bytes
    judge_json: bytes
    error: Failure | None
    tokens: Tokens
    generation_started_at: datetime | None
    generation_ended_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    cost_usd: float | None = None
    phase_timings_json: bytes = b""
    recorded_error_json: bytes = b""
