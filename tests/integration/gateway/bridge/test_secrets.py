from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from structlog.testing import capture_logs

from gateway.bridge.call import Answer, CallFailed, Purpose
from integration.gateway.bridge.bridge_parts import CANARY, BridgeParts, opened
from integration.gateway.bridge.hostile_upstream import (
    HostileUpstream,
    echoes,
    echoes_as_error,
    says,
    sends,
)


@pytest.fixture
async def bridge(upstream: HostileUpstream, tmp_path: Path) -> AsyncIterator[BridgeParts]:
    async with opened(upstream.base_url, tmp_path) as parts:
        yield parts


def everything_in(result: Answer | CallFailed) -> str:
    if isinstance(result, CallFailed):
        return f"{result.code} {result.message} {result.upstream_body}"
    return f"{result.output_text} {result.reasoning} {result.response_id} {result.body_json!r}"


async def test_an_answer_that_echoes_the_key_arrives_without_it(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(echoes)

    answer = await bridge.ask(purpose=Purpose.GRADER, include_body=True)

    assert answer.output_text == "Bearer [key removed]"
    assert CANARY not in everything_in(answer)
    assert orjson.loads(answer.body_json)["metadata"] == {
        "Bearer [key removed]": "Bearer [key removed]"
    }


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_an_error_that_echoes_the_key_is_told_without_it(
    bridge: BridgeParts, upstream: HostileUpstream, status: int
) -> None:
    upstream.will(echoes_as_error(status))

    failure = await bridge.failure()

    assert "[key removed]" in failure.message
    assert "[key removed]" in failure.upstream_body
    assert CANARY not in everything_in(failure)


@pytest.mark.parametrize(
    "body",
    [
        CANARY.encode(),
        b"x" * (4096 - 10) + CANARY.encode(),
        (CANARY * 10_000).encode(),
        b'{"a": "' + "".join(f"\\u{ord(char):04x}" for char in CANARY).encode() + b'"}',
    ],
)
@pytest.mark.parametrize("status", [200, 500])
async def test_no_spelling_or_cut_lets_the_key_through(
    bridge: BridgeParts, upstream: HostileUpstream, body: bytes, status: int
) -> None:
    upstream.will(sends(body, status=status))

    failure = await bridge.failure()

    assert CANARY[:12] not in everything_in(failure)


async def test_a_failed_response_that_names_the_key_is_told_without_it(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(says({"status": "failed", "error": {"message": f"bad key {CANARY}"}}))

    assert CANARY not in everything_in(await bridge.failure())


async def test_logs_tell_the_call_and_neither_key_nor_bodies(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(echoes_as_error(500), echoes)

    with capture_logs() as logs:
        await bridge.ask(max_retries=1, body={"input": "a private prompt"})
        await bridge.failure("other")

    called, refused = [entry for entry in logs if entry["event"] == "model_called"]
    assert called["run_id"] == "run_1"
    assert (called["model"], called["provider"]) == ("small", "open")
    assert (called["outcome"], called["attempts"]) == ("completed", 2)
    assert called["duration_ms"] > 0
    assert (refused["outcome"], refused["attempts"]) == ("model_not_allowed", 0)
    assert CANARY not in repr(logs)
    assert "private" not in repr(logs)
