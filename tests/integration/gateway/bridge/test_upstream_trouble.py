from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from integration.gateway.bridge.bridge_parts import BridgeParts, opened
from integration.gateway.bridge.hostile_upstream import (
    HostileUpstream,
    answers,
    breaks_off,
    drops,
    response_object,
    says,
    sends,
)


@pytest.fixture
async def bridge(upstream: HostileUpstream, tmp_path: Path) -> AsyncIterator[BridgeParts]:
    async with opened(upstream.base_url, tmp_path) as parts:
        yield parts


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
async def test_passing_trouble_is_repeated(
    bridge: BridgeParts, upstream: HostileUpstream, status: int
) -> None:
    upstream.will(says({}, status=status), says({}, status=status), answers("4"))

    answer = await bridge.ask(max_retries=2)

    assert answer.output_text == "4"
    assert bridge.progress.attempts == 3
    assert bridge.pauses == [0.5, 1.0]


async def test_the_last_failure_is_told_when_repeats_run_out(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(says({"error": {"message": "too busy"}}, status=429))

    failure = await bridge.failure(max_retries=1)

    assert failure.code == "model_http_429"
    assert failure.http_status == 429
    assert failure.message == "provider open answered 429: too busy"
    assert orjson.loads(failure.upstream_body) == {"error": {"message": "too busy"}}
    assert bridge.progress.attempts == 2


async def test_the_upstream_says_when_to_come_back(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(
        says({}, status=429, Retry_After="2"),
        says({}, status=503, retry_after_ms="100"),
        says({}, status=503, Retry_After="100000"),
        answers("4"),
    )

    await bridge.ask(max_retries=5)

    assert bridge.pauses == pytest.approx([2.2, 0.11, 66.0])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_other_refusals_fail_at_once(
    bridge: BridgeParts, upstream: HostileUpstream, status: int
) -> None:
    upstream.will(says({"error": {"message": "no"}}, status=status))

    failure = await bridge.failure(max_retries=5)

    assert failure.code == f"model_http_{status}"
    assert bridge.progress.attempts == 1


async def test_a_redirect_is_not_followed(bridge: BridgeParts, upstream: HostileUpstream) -> None:
    upstream.will(says({}, status=307, Location="/elsewhere"))

    failure = await bridge.failure(max_retries=5)

    assert failure.code == "model_http_307"
    assert [request.path for request in upstream.received] == ["/v1/responses"]


async def test_a_connection_that_drops_is_repeated(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(drops, breaks_off, answers("4"))

    assert (await bridge.ask(max_retries=2)).output_text == "4"
    assert bridge.progress.attempts == 3


async def test_a_connection_that_keeps_dropping_is_unreachable(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(drops)

    failure = await bridge.failure(max_retries=1)

    assert (failure.code, failure.http_status) == ("model_unreachable", 0)


async def test_nothing_that_listens_is_unreachable(tmp_path: Path) -> None:
    async with opened("http://127.0.0.1:1/v1", tmp_path) as parts:
        failure = await parts.failure(max_retries=1)

    assert failure.code == "model_unreachable"
    assert parts.progress.attempts == 2


async def test_an_upstream_that_hangs_times_out_each_attempt(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(upstream.hangs(), upstream.trickles(), answers("4"))

    answer = await bridge.ask(attempt_timeout_s=0.05, max_retries=2)

    assert answer.output_text == "4"
    assert bridge.progress.attempts == 3


async def test_a_timeout_is_told_as_one(bridge: BridgeParts, upstream: HostileUpstream) -> None:
    upstream.will(upstream.hangs())

    failure = await bridge.failure(attempt_timeout_s=0.05)

    assert failure.code == "model_timeout"
    assert failure.message == "provider open did not answer within 0.05 s"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>gateway</html>",
        b"[]",
        b'"text"',
        b"data: {}\n\ndata: [DONE]\n\n",
        b'{"output": NaN}',
        b"\xff\xfe",
        b"{}",
        b'{"choices": []}',
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("model", ["small", "chat"])
async def test_garbage_is_a_model_error_and_not_repeated(
    bridge: BridgeParts, upstream: HostileUpstream, model: str, body: bytes
) -> None:
    upstream.will(sends(body))

    failure = await bridge.failure(model, max_retries=3)

    assert (failure.code, failure.http_status) == ("model_error", 200)
    assert bridge.progress.attempts == 1
    assert len(failure.upstream_body.encode()) <= 4096


def nested(levels: int, **fields: object) -> bytes:
    """A response that nests so deep."""
    plain = orjson.dumps(response_object("4", **fields))
    return b'%b,"deep":%b%b}' % (plain[:-1], b"[" * (levels - 1), b"]" * (levels - 1))


@pytest.mark.parametrize("levels", [255, 1_000])
@pytest.mark.parametrize("status", ["completed", "in_progress"])
async def test_an_answer_that_nests_too_deep_to_be_passed_on_is_the_models_fault(
    bridge: BridgeParts, upstream: HostileUpstream, status: str, levels: int
) -> None:
    upstream.will(sends(nested(levels, status=status)))

    failure = await bridge.failure(max_retries=3, include_body=True)

    assert (failure.code, failure.http_status) == ("model_error", 200)
    assert bridge.progress.attempts == 1


async def test_a_refusal_that_nests_too_deep_is_told_as_the_refusal_it_is(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(sends(nested(300, error={"message": "no"}), status=400))

    failure = await bridge.failure()

    assert (failure.code, failure.upstream_body) == ("model_http_400", "")
    assert failure.message == "provider open answered 400: no"


async def test_the_text_of_an_answer_is_read_however_deep_the_rest_of_it_nests(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(sends(nested(1_000)))

    assert (await bridge.ask()).output_text == "4"


async def test_a_request_that_nests_too_deep_is_its_callers_fault(bridge: BridgeParts) -> None:
    body = b'{"model":"small","input":%b%b}' % (b"[" * 300, b"]" * 300)

    failure = await bridge.failure(body_json=body)

    assert failure.code == "invalid_request"


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
async def test_an_answer_beyond_the_limit_is_not_taken(
    bridge: BridgeParts, upstream: HostileUpstream, *, chunked: bool, zipped: bool
) -> None:
    huge = orjson.dumps(response_object("x" * 2_000_000))
    upstream.will(sends(huge, chunked=chunked, zipped=zipped and not chunked))

    failure = await bridge.failure(max_retries=3)

    assert failure.code == "model_error"
    assert "larger than 1000000 bytes" in failure.message
    assert bridge.progress.attempts == 1


async def test_a_huge_error_is_cut(bridge: BridgeParts, upstream: HostileUpstream) -> None:
    upstream.will(sends("é".encode() * 1_000_000, status=500, chunked=True))

    failure = await bridge.failure()

    assert failure.code == "model_http_500"
    assert 4000 < len(failure.upstream_body.encode()) <= 4096
