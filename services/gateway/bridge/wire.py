"""The bridge's calls and answers as protobuf messages."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.bridge.call import (
    ATTEMPT_TIMEOUT_S,
    MAX_RETRIES,
    Answer,
    AnswerStatus,
    CallFailed,
    Endpoint,
    ModelCall,
    Progress,
    Purpose,
    invalid_request,
)
from gateway.bridge.response_reading import cut_utf8
from proctor.common.v1 import usage_pb2
from proctor.models.v1 import model_bridge_service_pb2 as pb

ATTEMPT_TIMEOUT_MAX_S = 3600.0
RETRIES_MAX = 50  # with pauses of half a minute that is a long outage already
SAMPLE_ID_CHARS_MAX = 128
MESSAGE_BYTES_MAX = 4096
WIRE_BYTES_MAX = (
    15 * 1024 * 1024
)  # a gRPC message ends at 16 MiB; beyond it the whole stream would break

_PURPOSES = {
    pb.PURPOSE_CANDIDATE: Purpose.CANDIDATE,
    pb.PURPOSE_GRADER: Purpose.GRADER,
}
_ENDPOINTS = {
    pb.ENDPOINT_RESPONSES: Endpoint.RESPONSES,
    pb.ENDPOINT_EMBEDDINGS: Endpoint.EMBEDDINGS,
    pb.ENDPOINT_TRANSCRIPTIONS: Endpoint.TRANSCRIPTIONS,
}
_STATUSES = {
    None: pb.RESPONSE_STATUS_UNSPECIFIED,
    AnswerStatus.COMPLETED: pb.RESPONSE_STATUS_COMPLETED,
    AnswerStatus.INCOMPLETE: pb.RESPONSE_STATUS_INCOMPLETE,
    AnswerStatus.FAILED: pb.RESPONSE_STATUS_FAILED,
}


def model_call(message: pb.ModelCall) -> ModelCall:
    """Return the call in `message`; what is above a ceiling is taken as the ceiling.

    Raises:
        CallFailed: `invalid_request`, naming the field.
    """
    purpose = _PURPOSES.get(message.purpose)
    endpoint = _ENDPOINTS.get(message.endpoint)
    if purpose is None or endpoint is None:
        raise invalid_request("purpose and endpoint must be given")
    timeout_s = ATTEMPT_TIMEOUT_S
    if message.HasField("attempt_timeout"):
        timeout_s = message.attempt_timeout.seconds + message.attempt_timeout.nanos / 1e9
        if timeout_s <= 0:
            raise invalid_request("attempt_timeout must be positive")
    retries = message.max_retries if message.HasField("max_retries") else MAX_RETRIES
    empty_retries = message.max_empty_retries
    if retries < 0 or empty_retries < 0:
        raise invalid_request("max_retries and max_empty_retries must not be negative")
    return ModelCall(
        run_token=message.run_token,
        purpose=purpose,
        endpoint=endpoint,
        body_json=message.body_json,
        attempt_timeout_s=min(timeout_s, ATTEMPT_TIMEOUT_MAX_S),
        max_retries=min(retries, RETRIES_MAX),
        max_empty_retries=min(empty_retries, RETRIES_MAX),
        include_body=message.include_body,
        sample_id=message.sample_id[:SAMPLE_ID_CHARS_MAX],
    )


def response(
    request_id: str, result: Answer | CallFailed, progress: Progress
) -> pb.GenerateResponse:
    """Return the message that tells the caller how its call ended."""
    message = pb.GenerateResponse(request_id=request_id, attempts=progress.attempts)
    if progress.started_at and progress.ended_at:
        message.start_time.CopyFrom(_timestamp(progress.started_at))
        message.end_time.CopyFrom(_timestamp(progress.ended_at))
    if isinstance(result, CallFailed):
        message.failure.CopyFrom(_failure(result))
    else:
        message.answer.CopyFrom(_answer(result))
        if message.ByteSize() > WIRE_BYTES_MAX:
            too_large = CallFailed("model_error", "the answer is too large to be passed on")
            message.failure.CopyFrom(_failure(too_large))
    return message


def _answer(answer: Answer) -> pb.ModelAnswer:
    return pb.ModelAnswer(
        response_id=answer.response_id,
        output_text=answer.output_text,
        reasoning=answer.reasoning,
        tokens=usage_pb2.TokenUsage(
            input_tokens=answer.tokens.input_tokens,
            output_tokens=answer.tokens.output_tokens,
            cached_tokens=answer.tokens.cached_tokens,
            reasoning_tokens=answer.tokens.reasoning_tokens,
        ),
        status=_STATUSES[answer.status],
        body_json=answer.body_json,
    )


def _failure(failure: CallFailed) -> pb.ModelFailure:
    return pb.ModelFailure(
        code=failure.code,
        message=cut_utf8(failure.message, limit_bytes=MESSAGE_BYTES_MAX),
        http_status=failure.http_status,
        upstream_body=failure.upstream_body,
    )


def _timestamp(moment: datetime) -> Timestamp:
    return Timestamp(seconds=int(moment.timestamp()), nanos=moment.microsecond * 1000)
