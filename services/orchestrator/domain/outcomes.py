"""What came of a sample's model call and of its grading, ready to be stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from orchestrator.domain.failure import Failure
from orchestrator.domain.sample import SampleState
from orchestrator.domain.tokens import NO_TOKENS, Tokens


class Endpoint(StrEnum):
    """Which upstream operation a candidate call is."""

    RESPONSES = "responses"
    EMBEDDINGS = "embeddings"
    TRANSCRIPTIONS = "transcriptions"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One candidate call, as the bridge takes it.

    Attributes:
        run_token: Proof that the run may make it.
        body_json: Request body for the upstream; names the model.
        timeout_s: Most time for one attempt.
        endpoint: What is asked for.
    """

    run_token: str
    body_json: bytes
    timeout_s: float
    max_retries: int
    max_empty_retries: int
    sample_id: str
    endpoint: Endpoint = Endpoint.RESPONSES


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """How a candidate call ended; `failure_code` is empty when there is a text.

    Attributes:
        started_at: When the first attempt began; None when the call was refused.
        ended_at: When the last attempt ended.
        body_json: The upstream's whole answer, of embeddings only.
    """

    response_id: str = ""
    output_text: str = ""
    reasoning: str = ""
    tokens: Tokens = NO_TOKENS
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure_code: str = ""
    failure_message: str = ""
    http_status: int = 0
    upstream_body: str = ""
    body_json: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """What a sample has after its candidate call, ready to be stored."""

    sample_index: int
    response_id: str | None = None
    output_text: str | None = None
    reasoning: str | None = None
    tokens: Tokens = NO_TOKENS
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure: Failure | None = None

    @property
    def state(self) -> SampleState:
        """The state of the sample after this."""
        return SampleState.READY_TO_SCORE if self.failure is None else SampleState.FAILED


class Outcome(StrEnum):
    """How an execution ended; the same words as on the wire."""

    SCORED = "scored"
    GRADER_ERROR = "grader_error"
    INVALID_RESULT = "invalid_result"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    SANDBOX_VIOLATION = "sandbox_violation"
    CRASHED = "crashed"
    JAIL_LOST = "jail_lost"


_CODES: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.GRADER_ERROR: "grader_error",
        Outcome.INVALID_RESULT: "invalid_grader_result",
        Outcome.TIMEOUT: "grader_timeout",
        Outcome.OUT_OF_MEMORY: "grader_oom",
        Outcome.OUTPUT_LIMIT: "invalid_grader_result",
        Outcome.SANDBOX_VIOLATION: "sandbox_violation",
        Outcome.CRASHED: "grader_error",
        # Only after many tries; the words say whose failure it is.
        Outcome.JAIL_LOST: "grader_unavailable",
    }
)

GENERATE_STAGE = "generate"
SCORE_STAGE = "score"


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """What became of one sample in the grader, ready to be stored.

    Attributes:
        scores_json: Metric to number, a JSON object; None unless scored.
        judge_json: Details of the grader, a JSON object; None for none.
        failure: Why it has no scores; None when scored.
    """

    sample_index: int
    outcome: Outcome
    extracted_output: str | None = None
    scores_json: str | None = None
    judge_json: str | None = None
    failure: Failure | None = None

    def __post_init__(self) -> None:
        """Refuse a score that failed and a failure without a reason."""
        assert (self.outcome is Outcome.SCORED) == (self.failure is None)
        assert (self.outcome is Outcome.SCORED) == (self.scores_json is not None)

    @property
    def state(self) -> SampleState:
        """The state of the sample after this."""
        return SampleState.COMPLETED if self.failure is None else SampleState.FAILED


def failure_code(outcome: Outcome, told: str) -> str:
    """Return the sample's error code: what the grader said, else the outcome's own word."""
    return told or _CODES[outcome]


def lost_for_good(sample_index: int) -> Graded:
    """Return the end of a sample whose jail was lost too often: our failure, said as such."""
    message = "the grader's jail was lost repeatedly; this says nothing about the answer"
    code = failure_code(Outcome.JAIL_LOST, "")
    return Graded(
        sample_index=sample_index,
        outcome=Outcome.JAIL_LOST,
        failure=Failure(code=code, message=message, stage=SCORE_STAGE),
    )


def too_large(sample_index: int) -> Graded:
    """Return the end of a sample that fits in no message to the grader."""
    message = "the sample's row, prompt and output together are too large to be graded"
    return Graded(
        sample_index=sample_index,
        outcome=Outcome.INVALID_RESULT,
        failure=Failure(code="sample_too_large", message=message, stage=SCORE_STAGE),
    )


@dataclass(slots=True)
class SampleChanges:
    """Changes by sample index; one that says more replaces one that says less.

    Attributes:
        generating: Samples whose call was just made.
        scoring: Samples that were just sent to the grader.
    """

    generated: dict[int, Generated] = field(default_factory=dict)
    graded: dict[int, Graded] = field(default_factory=dict)
    generating: set[int] = field(default_factory=set)
    scoring: set[int] = field(default_factory=set)

    @property
    def results(self) -> int:
        """How many changes would cost something if they were lost."""
        return len(self.generated) + len(self.graded)

    def __bool__(self) -> bool:
        """Whether there is anything to store."""
        return bool(self.generated or self.graded or self.generating or self.scoring)

    def settle(self) -> None:
        """Drop marks that a result in the same transaction makes untrue."""
        self.generating.difference_update(self.generated)
        self.scoring.difference_update(self.graded)
