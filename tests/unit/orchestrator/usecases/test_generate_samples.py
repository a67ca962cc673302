import asyncio
from typing import Any

import orjson
import pytest

from orchestrator.domain.audio import Transcription
from orchestrator.domain.outcomes import Endpoint, ModelCall, ModelReply
from orchestrator.domain.sample import SampleState
from orchestrator.domain.sharding import Share
from orchestrator.domain.tokens import NO_TOKENS, Tokens
from orchestrator.usecases.generate_samples import SampleGenerator
from orchestrator.usecases.hold_run_token import RunToken
from orchestrator.usecases.keep_leases import HeldLease
from orchestrator.usecases.speech_calls import CALLS_AT_ONCE, SpeechCalls
from orchestrator.usecases.store_results import ResultStore
from servicekit.caller import Caller, calling_as, outgoing_caller
from unit.orchestrator.usecases.fakes import (
    LEASE,
    FakeBridge,
    FakeClock,
    FakeSamples,
    FakeSteps,
    fresh_token,
    shard_job,
    token,
)
from unit.orchestrator.usecases.token_counting.characters import Characters


class Generation:
    """A generator over fakes."""

    def __init__(self, size: int = 4, bridge: FakeBridge | None = None, **job: Any) -> None:
        self.samples, self.bridge, self.steps = (
            FakeSamples(size),
            bridge or FakeBridge(),
            FakeSteps(),
        )
        self.job = shard_job(size, **job)
        self.held = HeldLease(LEASE, self.job.share)

    async def run(self) -> None:
        results = ResultStore(
            self.job.shard,
            self.samples,
            share=self.job.share.generation,
            on_ready=lambda _: None,
        )
        run_token = RunToken(
            "run", self.job.run_token, bridge=self.bridge, steps=self.steps, clock=FakeClock()
        )
        generator = SampleGenerator(
            self.job,
            self.held,
            samples=self.samples,
            bridge=self.bridge,
            token=run_token,
            results=results,
            speech=SpeechCalls(self.samples),
            counter=Characters(),
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(results.run())
            await generator.run()
            results.close()


def failing(code: str, *, times: int) -> FakeBridge:
    """A bridge that fails the first calls with a code."""

    def reply(call: ModelCall) -> ModelReply:
        if len(bridge.calls) <= times:
            return ModelReply(failure_code=code, failure_message="no")
        return ModelReply(output_text="text")

    bridge = FakeBridge(reply)
    return bridge


async def test_an_answer_without_usage_is_stored_with_an_estimate() -> None:
    reply = ModelReply(output_text="text", reasoning="hm")
    generation = Generation(1, FakeBridge(lambda _: reply))

    await generation.run()

    assert generation.samples.outputs[0].tokens == Tokens(
        input=len("prompt"), output=6, reasoning=2, estimated=True
    )


async def test_an_answers_own_usage_is_stored_as_it_is() -> None:
    reply = ModelReply(output_text="text", tokens=Tokens(output=9))
    generation = Generation(1, FakeBridge(lambda _: reply))

    await generation.run()

    assert generation.samples.outputs[0].tokens == Tokens(output=9)


async def test_every_queued_sample_is_asked_for_once() -> None:
    generation = Generation(100)

    await generation.run()

    assert {call.sample_id for call in generation.bridge.calls} == {
        f"sample-{n}" for n in range(100)
    }
    assert len(generation.bridge.calls) == 100
    assert set(generation.samples.states.values()) == {SampleState.READY_TO_SCORE}


@pytest.mark.parametrize("latency_s", [0.01, 0.2])
async def test_as_many_calls_are_in_flight_as_the_share_allows(latency_s: float) -> None:
    generation = Generation(40, share=Share(generation=5, grader=1))
    generation.bridge.latency_s = latency_s

    await generation.run()

    assert generation.bridge.in_flight_max == 5


async def test_a_larger_share_is_used_at_once_and_a_smaller_one_never_comes() -> None:
    generation = Generation(60, share=Share(generation=2, grader=1))
    generation.bridge.latency_s = 0.01

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(generation.run())
        await asyncio.sleep(0.05)
        for calls in (7, 3):
            generation.held.renewed(Share(generation=calls, grader=1))
        await asyncio.sleep(0.05)
        assert generation.bridge.in_flight == 7

    assert generation.held.on_share is None


async def test_calls_of_a_larger_share_are_made_for_the_same_caller() -> None:
    class Asking(FakeBridge):
        async def generate(self, call: ModelCall) -> ModelReply:
            callers.append(outgoing_caller())
            return await super().generate(call)

    async def run() -> None:
        with calling_as(caller):
            await generation.run()

    caller = Caller(org_id="org", team_id="team")
    callers: list[Caller] = []
    generation = Generation(8, Asking(), share=Share(generation=2, grader=1))
    generation.bridge.latency_s = 0.01

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run())
        while generation.bridge.in_flight < 2:
            await asyncio.sleep(0)
        generation.held.renewed(Share(generation=6, grader=1))  # by somebody who is no caller

    assert generation.bridge.in_flight_max == 6
    assert callers == [caller] * 8


async def test_a_crash_of_slow_calls_would_repeat_no_more_than_are_in_flight() -> None:
    class Watching(FakeBridge):
        async def generate(self, call: ModelCall) -> ModelReply:
            unsafe.append(1 + len(self.calls) - len(generation.samples.outputs))
            return await super().generate(call)

    unsafe: list[int] = []
    generation = Generation(20, Watching(), share=Share(generation=3, grader=1))
    generation.bridge.latency_s = 0.5

    await generation.run()

    assert max(unsafe) == 3


async def test_the_text_is_cut_cleaned_and_kept_with_what_came_with_it() -> None:
    generation = Generation(1, generation_json=b'{"stop": ["END"]}')
    generation.bridge.reply = lambda _: ModelReply(
        response_id="resp\x00", output_text="a\x00 END b", reasoning="why\x00"
    )

    await generation.run()

    stored = generation.samples.outputs[0]
    assert (stored.response_id, stored.output_text, stored.reasoning) == (
        "resp\ufffd",
        "a\ufffd ",
        "why\ufffd",
    )


async def test_an_empty_text_is_an_output_and_no_reasoning_is_none() -> None:
    generation = Generation(1)
    generation.bridge.reply = lambda _: ModelReply()

    await generation.run()

    stored = generation.samples.outputs[0]
    assert (stored.output_text, stored.response_id, stored.reasoning) == ("", None, None)
    assert stored.state is SampleState.READY_TO_SCORE


async def test_a_failure_of_the_model_is_the_samples() -> None:
    generation = Generation(1)
    generation.bridge.reply = lambda _: ModelReply(failure_code="model_error", failure_message="no")

    await generation.run()

    failure = generation.samples.outputs[0].failure
    assert failure is not None
    assert (failure.code, failure.stage, failure.details_json) == ("model_error", "generate", "")


@pytest.mark.parametrize("code", ["cancelled", "bridge_unavailable"])
async def test_a_call_that_the_bridge_did_not_make_is_made_again(code: str) -> None:
    generation = Generation(1, failing(code, times=3))

    await generation.run()

    assert generation.samples.states[0] is SampleState.READY_TO_SCORE
    assert len(generation.bridge.calls) == 4


async def test_a_bridge_that_never_makes_a_call_is_believed_after_an_hour() -> None:
    generation = Generation(1, failing("bridge_unavailable", times=10_000))

    await generation.run()

    failure = generation.samples.outputs[0].failure
    assert failure is not None
    assert failure.code == "bridge_unavailable"
    assert asyncio.get_running_loop().time() > 1_800


async def test_a_refused_token_is_replaced_and_the_call_made_again() -> None:
    generation = Generation(1, failing("run_token_invalid", times=1))

    await generation.run()

    tokens = [call.run_token for call in generation.bridge.calls]
    assert tokens == [token(), fresh_token(1)]
    assert generation.samples.states[0] is SampleState.READY_TO_SCORE


async def test_a_token_that_is_always_refused_fails_the_sample() -> None:
    generation = Generation(1, failing("run_token_invalid", times=100))

    await generation.run()

    failure = generation.samples.outputs[0].failure
    assert failure is not None
    assert failure.code == "run_token_invalid"


async def test_a_bridge_that_does_not_answer_is_asked_again() -> None:
    generation = Generation(1, generation_json=b'{"timeout_seconds": 1, "max_retries": 0}')
    generation.bridge.latency_s = 10_000

    def answer_from_now_on(_: ModelCall) -> ModelReply:
        return ModelReply(output_text="text")

    generation.bridge.reply = answer_from_now_on
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(generation.run())
        while len(generation.bridge.calls) < 2:
            generation.bridge.latency_s = 0 if generation.bridge.calls else 10_000
            await asyncio.sleep(60)

    assert generation.samples.states[0] is SampleState.READY_TO_SCORE


async def test_prompts_are_asked_for_again_while_postgres_is_away() -> None:
    generation = Generation(3)
    generation.samples.away = 4

    await generation.run()

    assert len(generation.bridge.calls) == 3


async def test_the_call_carries_the_settings_of_the_run() -> None:
    generation = Generation(1, generation_json=b'{"timeout_seconds": 7, "max_empty_retries": 0}')

    await generation.run()

    (call,) = generation.bridge.calls
    assert (call.timeout_s, call.max_retries, call.max_empty_retries) == (7, 2, 0)
    assert orjson.loads(call.body_json)["metadata"]["eval_sample_index"] == "0"


def spoken(*, language: str | None = "uk", prompted: bool = False) -> bytes:
    return Transcription(language=language, prompted=prompted).to_json()


async def test_a_speech_model_gets_the_audio_and_the_language_and_no_prompt() -> None:
    generation = Generation(2, transcription_json=spoken())

    await generation.run()

    assert {call.endpoint for call in generation.bridge.calls} == {Endpoint.TRANSCRIPTIONS}
    assert {output.tokens for output in generation.samples.outputs.values()} == {NO_TOKENS}
    assert [orjson.loads(call.body_json) for call in generation.bridge.calls] == [
        {"model": "model", "audio": f"data:audio/wav;base64,{n}", "language": "uk"}
        for n in range(2)
    ]


async def test_a_speech_model_gets_a_prompt_where_the_task_has_a_template() -> None:
    settings = b'{"temperature": 0, "max_output_tokens": 3, "timeout_seconds": 7}'
    generation = Generation(
        1, transcription_json=spoken(language=None, prompted=True), generation_json=settings
    )

    await generation.run()

    (call,) = generation.bridge.calls
    assert orjson.loads(call.body_json) == {
        "model": "model",
        "audio": "data:audio/wav;base64,0",
        "prompt": "prompt",
        "temperature": 0,
    }
    assert call.timeout_s == 7


async def test_audio_is_read_for_as_many_calls_as_memory_is_there_for() -> None:
    generation = Generation(100, transcription_json=spoken(), share=Share(generation=100, grader=1))
    generation.bridge.latency_s = 0.01

    await generation.run()

    assert len(generation.bridge.calls) == 100
    assert generation.bridge.in_flight_max == CALLS_AT_ONCE
