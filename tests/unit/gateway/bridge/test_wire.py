from datetime import UTC, datetime

import pytest
from google.protobuf.duration_pb2 import Duration

from gateway.bridge import wire
from gateway.bridge.call import (
    Answer,
    AnswerStatus,
    CallFailed,
    Endpoint,
    Progress,
    Purpose,
)
from gateway.domain.usage import TokenCounts
from proctor.models.v1 import model_bridge_service_pb2 as pb


def message(**fields: object) -> pb.ModelCall:
    given: dict[str, object] = {
        "purpose": pb.PURPOSE_GRADER,
        "endpoint": pb.ENDPOINT_RESPONSES,
        "body_json": b"{}",
    }
    return pb.ModelCall(**given | fields)  # type: ignore[arg-type]  # fields vary by test


def test_what_a_call_leaves_out_has_defaults() -> None:
    call = wire.model_call(message())

    assert (call.purpose, call.endpoint) == (Purpose.GRADER, Endpoint.RESPONSES)
    assert (call.attempt_timeout_s, call.max_retries, call.max_empty_retries) == (120.0, 2, 0)
    assert call.include_body is False


def test_no_retries_is_not_the_default_number_of_retries() -> None:
    assert wire.model_call(message(max_retries=0)).max_retries == 0


def test_a_timeout_may_be_part_of_a_second() -> None:
    call = wire.model_call(message(attempt_timeout=Duration(seconds=1, nanos=500_000_000)))

    assert call.attempt_timeout_s == 1.5


def test_enormous_numbers_are_cut_to_the_ceiling() -> None:
    call = wire.model_call(
        message(attempt_timeout=Duration(seconds=10**9), max_retries=10**9, max_empty_retries=10**9)
    )

    assert call.attempt_timeout_s == wire.ATTEMPT_TIMEOUT_MAX_S
    assert call.max_retries == call.max_empty_retries == wire.RETRIES_MAX


@pytest.mark.parametrize(
    "fields",
    [
        {"purpose": pb.PURPOSE_UNSPECIFIED},
        {"endpoint": pb.ENDPOINT_UNSPECIFIED},
        {"endpoint": 77},
        {"attempt_timeout": Duration(seconds=0)},
        {"attempt_timeout": Duration(seconds=-1)},
        {"max_retries": -1},
        {"max_empty_retries": -1},
    ],
)
def test_a_wrong_field_is_an_invalid_request(fields: dict[str, object]) -> None:
    with pytest.raises(CallFailed) as failure:
        wire.model_call(message(**fields))

    assert failure.value.code == "invalid_request"


def test_an_answer_travels_whole() -> None:
    moment = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    answer = Answer(
        status=AnswerStatus.INCOMPLETE,
        output_text="4",
        reasoning="2+2",
        response_id="resp_1",
        tokens=TokenCounts(input_tokens=3, output_tokens=0),
        body_json=b"{}",
    )

    sent = wire.response("1", answer, Progress(attempts=2, started_at=moment, ended_at=moment))

    assert (sent.request_id, sent.attempts) == ("1", 2)
    assert sent.start_time.ToDatetime(UTC) == moment
    assert sent.answer.status == pb.RESPONSE_STATUS_INCOMPLETE
    assert sent.answer.output_text == "4"
    assert sent.answer.tokens.output_tokens == 0
    assert sent.answer.tokens.HasField("output_tokens")
    assert not sent.answer.tokens.HasField("cached_tokens")


def test_a_refused_call_has_no_times() -> None:
    sent = wire.response("1", CallFailed("model_unknown", "no such model"), Progress())

    assert sent.failure.code == "model_unknown"
    assert sent.attempts == 0
    assert not sent.HasField("start_time")
    assert not sent.HasField("end_time")


def test_an_answer_too_large_for_a_message_is_a_failure() -> None:
    answer = Answer(status=AnswerStatus.COMPLETED, output_text="x" * (wire.WIRE_BYTES_MAX + 1))

    sent = wire.response("1", answer, Progress(attempts=1))

    assert sent.WhichOneof("result") == "failure"
    assert sent.failure.code == "model_error"


def test_a_long_sentence_is_cut() -> None:
    sent = wire.response("1", CallFailed("model_error", "é" * 10_000), Progress())

    assert len(sent.failure.message.encode()) <= wire.MESSAGE_BYTES_MAX
