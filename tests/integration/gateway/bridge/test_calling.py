import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from gateway.bridge.call import AnswerStatus, Endpoint, Purpose
from gateway.domain.usage import ModelUsage, TokenCounts
from integration.gateway.bridge.bridge_parts import CANARY, BridgeParts, opened, token
from integration.gateway.bridge.hostile_upstream import (
    HostileUpstream,
    answers,
    response_object,
    says,
)

CHAT = {
    "id": "chatcmpl-1",
    "created": 1_700_000_000,
    "model": "Chat-1",
    "choices": [
        {"message": {"content": "4", "reasoning_content": "2+2"}, "finish_reason": "length"}
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
}
EMBEDDINGS = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -1e-9]}],
    "model": "embed",
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}


@pytest.fixture
async def bridge(upstream: HostileUpstream, tmp_path: Path) -> AsyncIterator[BridgeParts]:
    async with opened(upstream.base_url, tmp_path) as parts:
        yield parts


async def test_only_what_graders_ask_is_metered(bridge: BridgeParts) -> None:
    await bridge.ask()
    await bridge.ask(purpose=Purpose.GRADER)
    await bridge.ask(purpose=Purpose.GRADER)
    await bridge.meter.close()

    assert await bridge.usage.of_runs(["run_1"]) == {
        "run_1": {
            "small": ModelUsage(calls=2, tokens=TokenCounts(input_tokens=6, output_tokens=10)),
        }
    }


async def test_a_candidate_is_asked_at_responses(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    answer = await bridge.ask(body={"store": True, "temperature": 0})

    assert (answer.output_text, answer.response_id) == ("4", "resp_1")
    assert answer.tokens == TokenCounts(input_tokens=3, output_tokens=5)
    assert answer.body_json == b""
    request = upstream.received[0]
    assert request.path == "/v1/responses"
    assert request.headers["Authorization"] == f"Bearer {CANARY}"
    assert "X-On-Behalf-Of" not in request.headers
    assert request.body == {
        "model": "small",
        "input": "2+2?",
        "store": True,
        "temperature": 0,
        "stream": False,
        "background": False,
    }


async def test_a_run_for_an_end_user_says_so_upstream(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    await bridge.ask(run_token=token(on_behalf_of="user-7"))

    assert upstream.received[0].headers["X-On-Behalf-Of"] == "user-7"


async def test_teams_take_turns_at_a_provider(upstream: HostileUpstream, tmp_path: Path) -> None:
    upstream.will(upstream.hangs())
    async with (
        opened(upstream.base_url, tmp_path, max_in_flight=1) as bridge,
        asyncio.TaskGroup() as calls,
    ):
        for team in ("many", "many", "many", "many", "few"):
            run_token = token(team_id=team, on_behalf_of=team)
            calls.create_task(bridge.ask(run_token=run_token))
        await upstream.arrived.get()
        upstream.released.set()

    teams = [request.headers["X-On-Behalf-Of"] for request in upstream.received]
    assert teams == ["many", "many", "few", "many", "many"]
    assert upstream.in_flight_max == 1


async def test_a_grader_gets_the_whole_response_with_its_text(bridge: BridgeParts) -> None:
    answer = await bridge.ask(purpose=Purpose.GRADER, include_body=True)

    body = orjson.loads(answer.body_json)
    assert body["output_text"] == "4"
    assert body["output"] == response_object("4")["output"]


async def test_chat_upstreams_answer_in_the_shape_of_responses(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(says(CHAT))

    answer = await bridge.ask("chat", include_body=True)

    assert upstream.received[0].path == "/v1/chat/completions"
    assert upstream.received[0].body["model"] == "Chat-1"
    assert (answer.output_text, answer.reasoning) == ("4", "2+2")
    assert answer.status is AnswerStatus.INCOMPLETE
    assert answer.tokens == TokenCounts(input_tokens=3, output_tokens=5)
    assert orjson.loads(answer.body_json)["object"] == "response"


async def test_embeddings_come_back_as_they_were_sent(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(says(EMBEDDINGS))

    answer = await bridge.ask(
        "embed", endpoint=Endpoint.EMBEDDINGS, purpose=Purpose.GRADER, include_body=True
    )

    assert upstream.received[0].path == "/v1/embeddings"
    assert orjson.loads(answer.body_json) == EMBEDDINGS
    assert (answer.output_text, answer.status) == ("", None)


async def test_connections_are_kept(bridge: BridgeParts, upstream: HostileUpstream) -> None:
    for _ in range(5):
        await bridge.ask()

    assert len({request.connection for request in upstream.received}) == 1


async def test_no_more_calls_are_open_than_the_provider_takes(
    upstream: HostileUpstream, tmp_path: Path
) -> None:
    upstream.will(upstream.hangs())

    async with (
        opened(upstream.base_url, tmp_path, max_in_flight=3) as parts,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(10):
            tasks.create_task(parts.ask())
        for _ in range(3):
            await upstream.arrived.get()
        upstream.released.set()

    assert len(upstream.received) == 10
    assert upstream.in_flight_max == 3


async def test_an_empty_text_is_asked_again(bridge: BridgeParts, upstream: HostileUpstream) -> None:
    upstream.will(answers(""), answers(" \n"), answers("4"))

    assert (await bridge.ask(max_empty_retries=3)).output_text == "4"
    assert bridge.progress.attempts == 3
    assert bridge.pauses == []


async def test_an_empty_text_is_taken_in_the_end(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(answers(""))

    assert (await bridge.ask(max_empty_retries=2)).output_text == ""
    assert bridge.progress.attempts == 3


async def test_an_empty_text_stands_when_asking_again_fails(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(answers(""), says({}, status=400))

    assert (await bridge.ask(max_empty_retries=2)).output_text == ""


async def test_repeats_are_shared_by_all_attempts_of_a_call(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    trouble = says({}, status=503)
    upstream.will(trouble, answers(""), trouble, answers(""), trouble, answers("4"))

    assert (await bridge.ask(max_retries=2, max_empty_retries=5)).output_text == ""
    assert bridge.progress.attempts == 5


async def test_a_response_that_failed_is_a_model_error_without_its_body(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(says({"status": "failed", "error": {"code": "x", "message": "no memory"}}))

    failure = await bridge.failure(max_empty_retries=3)

    assert failure.code == "model_error"
    assert "no memory" in failure.message
    assert bridge.progress.attempts == 1


async def test_a_grader_sees_a_response_that_failed(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(says({"status": "failed", "error": {"code": "x", "message": "no memory"}}))

    answer = await bridge.ask(purpose=Purpose.GRADER, include_body=True)

    assert answer.status is AnswerStatus.FAILED
    assert orjson.loads(answer.body_json)["error"]["message"] == "no memory"


@pytest.mark.parametrize(
    ("model", "options", "code"),
    [
        ("other", {}, "model_not_allowed"),
        ("nowhere", {}, "model_unknown"),
        ("small", {"run_token": "forged"}, "run_token_invalid"),
        ("chat", {"purpose": Purpose.GRADER}, "model_not_allowed"),
        ("small", {"endpoint": Endpoint.EMBEDDINGS}, "invalid_request"),
        (
            "small",
            {"endpoint": Endpoint.EMBEDDINGS, "purpose": Purpose.GRADER},
            "model_not_allowed",
        ),
        ("chat", {"body": {"input": 7}}, "invalid_request"),
    ],
)
async def test_a_refused_call_reaches_no_provider(
    bridge: BridgeParts,
    upstream: HostileUpstream,
    model: str,
    options: dict[str, object],
    code: str,
) -> None:
    failure = await bridge.failure(model, **options)

    assert failure.code == code
    assert upstream.received == []
    assert bridge.progress.attempts == 0
    assert bridge.progress.started_at is None


async def test_our_own_trouble_is_not_told_as_the_models(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    # The ledger of these tests breaks when it is asked.
    failure = await bridge.failure(run_token=token(max_calls=5))

    assert failure.code == "bridge_unavailable"
    assert upstream.received == []


async def test_a_cancelled_call_lets_go_of_its_connection(
    bridge: BridgeParts, upstream: HostileUpstream
) -> None:
    upstream.will(upstream.hangs())

    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(bridge.ask())
        await upstream.arrived.get()
        asking.cancel()

    await upstream.given_up.get()
    assert bridge.progress.ended_at is not None
