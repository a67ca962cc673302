"""What goes into the bridge and what comes out: one model call, its answer or its failure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.domain.usage import TokenCounts

ATTEMPT_TIMEOUT_S = 120.0
MAX_RETRIES = 2
UPSTREAM_BODY_BYTES = 4096


class Endpoint(StrEnum):
    """Which upstream operation a call is."""

    RESPONSES = "responses"
    EMBEDDINGS = "embeddings"
    TRANSCRIPTIONS = "transcriptions"


class Purpose(StrEnum):
    """What a call is for; decides which models the run token allows."""

    CANDIDATE = "candidate"
    GRADER = "grader"


class AnswerStatus(StrEnum):
    """How an upstream ended its response."""

    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One call as its caller sent it, ranges checked, body not yet read."""

    run_token: str
    purpose: Purpose
    endpoint: Endpoint
    body_json: bytes
    attempt_timeout_s: float = ATTEMPT_TIMEOUT_S
    max_retries: int = MAX_RETRIES
    max_empty_retries: int = 0
    include_body: bool = False
    sample_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a successful call gave.

    Attributes:
        status: How it ended; None for embeddings.
        body: The whole answer in the shape of the endpoint, as it was read.
        body_json: The same for the caller; empty unless it was asked for.
        error_message: Why a FAILED response failed, as the upstream said it.
    """

    status: AnswerStatus | None
    output_text: str = ""
    reasoning: str = ""
    response_id: str = ""
    tokens: TokenCounts = field(default_factory=TokenCounts)
    body: Mapping[str, object] = field(default_factory=dict)
    body_json: bytes = b""
    error_message: str = ""


class CallFailed(Exception):
    """A call that gave nothing; becomes an answer on the stream, never its end.

    Attributes:
        code: Stable lower_snake word, one of those the proto lists.
        message: One sentence for people.
        http_status: Status of the last upstream answer; 0 when there was none.
        upstream_body: Beginning of the last upstream body.
    """

    def __init__(
        self, code: str, message: str, *, http_status: int = 0, upstream_body: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status
        self.upstream_body = upstream_body


def invalid_request(message: str) -> CallFailed:
    """Return the failure of a call that no upstream was asked to answer."""
    return CallFailed("invalid_request", message)


@dataclass(slots=True)
class Progress:
    """How far a call has come; kept beside the call so that a cancelled one can still tell."""

    attempts: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    run_id: str = ""
    team_id: str = ""
    model: str = ""
    provider: str = ""
