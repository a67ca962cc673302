import pytest

from gateway.bridge.call import CallFailed, Endpoint, ModelCall, Purpose
from gateway.bridge.request_body import CANDIDATE_BODY_BYTES, GRADER_BODY_BYTES, read_body


def call(body: bytes, purpose: Purpose = Purpose.GRADER) -> ModelCall:
    return ModelCall(run_token="", purpose=purpose, endpoint=Endpoint.RESPONSES, body_json=body)


def test_an_object_with_a_model_is_read() -> None:
    assert read_body(call(b'{"model": "m", "input": "x"}')) == {"model": "m", "input": "x"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"{}",
        b'{"model": ""}',
        b'{"model": 3}',
        b'{"model": null}',
        b'{"model": "' + b"m" * 257 + b'"}',
        b'{"model": "m", "x": NaN}',
        b'{"model": "\xff"}',
        b"[" * 100_000,
    ],
)
def test_anything_else_is_an_invalid_request(body: bytes) -> None:
    with pytest.raises(CallFailed) as failure:
        read_body(call(body))

    assert failure.value.code == "invalid_request"


@pytest.mark.parametrize(
    ("purpose", "limit"),
    [(Purpose.GRADER, GRADER_BODY_BYTES), (Purpose.CANDIDATE, CANDIDATE_BODY_BYTES)],
)
def test_a_body_has_a_size_limit(purpose: Purpose, limit: int) -> None:
    frame = b'{"model":"m","input":""}'
    largest = frame[:-2] + b"x" * (limit - len(frame)) + frame[-2:]

    assert read_body(call(largest, purpose))["model"] == "m"
    with pytest.raises(CallFailed, match="larger than"):
        read_body(call(largest + b" ", purpose))
