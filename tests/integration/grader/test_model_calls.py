"""Calls of models as programs make them: every way to call, and every way to cheat."""

from collections.abc import Mapping

import orjson
import pytest

from grader.usecases.grade_each import RESULT_BYTES_MAX
from integration.grader.conftest import FakeBridge, Grader, grade_task, running_grader, sample
from proctor.models.v1 import model_bridge_service_pb2 as bridge_pb2
from proctor.sandbox.v1 import sandbox_service_pb2 as pb

ACCESS, JUDGE, EMBEDDER = "mka1", "judge", "embedder"

# Speaks with the host without the runner's help, so without its checks.
BY_HAND = """
import json, os, stat, struct

def channel():
    for descriptor in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                return descriptor
        except OSError:
            pass

def read(count):
    taken = b""
    while len(taken) < count:
        taken += os.read(channel(), count - len(taken))
    return taken

def frame():
    (length,) = struct.unpack(">I", read(4))
    return read(length)

def send(payload):
    os.write(channel(), struct.pack(">I", len(payload)) + payload)

def ask(method="responses_create", **body):
    send(json.dumps({"call": 1, "method": method, "body": body}).encode())
    answer = json.loads(frame())
    return json.loads(frame()) if answer.get("raw") else answer["error"]["message"]
"""


def by_hand(expression: str) -> str:
    return (
        f"{BY_HAND}\n\ndef grade(sample, item):\n    return {{'score': 1, 'judge': {expression}}}"
    )


async def judged(grader: Grader, source: str, **options: object) -> Mapping[str, object]:
    """What the grader wrote into the details of its one sample."""
    defaults = {"model_access": ACCESS, "judge_model": JUDGE}
    task = grade_task(source, **{**defaults, **options})  # type: ignore[arg-type] # options by name

    outcomes = await grader.grade(task, [sample(0)])

    assert outcomes["sample-0"].outcome == pb.OUTCOME_SCORED, outcomes["sample-0"]
    details: Mapping[str, object] = orjson.loads(outcomes["sample-0"].judge_json)
    return details


async def test_frames_written_by_hand_call_models_as_well(grader: Grader) -> None:
    details = await judged(grader, by_hand("{'said': ask(input='hello')['output_text']}"))

    assert details == {"said": "hello"}
    assert orjson.loads(grader.bridge.calls[0].body_json)["model"] == JUDGE


async def test_fields_that_may_not_be_set_never_leave_the_host_however_they_are_sent(
    grader: Grader,
) -> None:
    fields = ["extra_headers", "extra_body", "stream_options", "conversation", "api_key", "x" * 99]
    source = by_hand(f"{{'said': [ask(input='1', **{{name: {{'a': 1}}}}) for name in {fields!r}]}}")

    details = await judged(grader, source)

    assert details["said"] == [f"these fields cannot be set: {name[:64]}" for name in fields]
    assert grader.bridge.calls == []


async def test_a_stream_and_a_background_call_are_switched_off(grader: Grader) -> None:
    await judged(
        grader, by_hand("{'said': str(ask(input='1', stream=True, background=True, seed=7))}")
    )

    body = orjson.loads(grader.bridge.calls[0].body_json)
    assert (body["stream"], body["background"], body["seed"]) == (False, False, 7)


async def test_the_host_keeps_the_budget_of_a_program_that_calls_by_hand(grader: Grader) -> None:
    source = by_hand("{'said': [str(ask(input='1'))[:9] for _ in range(4)]}")

    details = await judged(grader, source, max_model_calls=2)

    assert details["said"] == ["{'id': 'a", "{'id': 'a", "max_model", "max_model"]
    assert len(grader.bridge.calls) == 2


async def test_a_program_without_access_gets_none_by_hand(grader: Grader) -> None:
    source = by_hand("{'said': ask(input='1', model='judge')}")

    details = await judged(grader, source, model_access="none")

    assert details["said"] == "this grader has no model access"
    assert grader.bridge.calls == []


async def test_auto_is_the_embedding_model_where_texts_are_embedded(grader: Grader) -> None:
    source = """
def grade(sample, item, ctx):
    found = ctx.embeddings_create(input=["four", "texts"], dimensions=2)["data"][0]["embedding"]
    return {"score": found[1], "judge": {"found": found, "used": ctx.model_calls_used}}
"""
    details = await judged(grader, source, embedding_model=EMBEDDER)

    assert details == {"found": [2, 0.5], "used": 1}
    (call,) = grader.bridge.calls
    assert call.endpoint == bridge_pb2.ENDPOINT_EMBEDDINGS
    assert orjson.loads(call.body_json) == {
        "model": EMBEDDER,
        "input": ["four", "texts"],
        "dimensions": 2,
    }


async def test_auto_without_an_embedding_model_says_what_the_run_lacks(grader: Grader) -> None:
    source = "def grade(sample, item, ctx):\n    ctx.embeddings_create(input='x')\n"
    task = grade_task(source, model_access=ACCESS, judge_model=JUDGE)

    outcomes = await grader.grade(task, [sample(0)])

    assert outcomes["sample-0"].error_code == "embedding_model_required"
    assert grader.bridge.calls == []


async def test_a_model_of_the_programs_own_choice_is_asked_for_by_its_name(grader: Grader) -> None:
    source = """
def grade(sample, item, ctx):
    return {"score": 1, "judge": {"said": ctx.responses_create(model="other", input="1")["id"]}}
"""
    await judged(grader, source)

    assert orjson.loads(grader.bridge.calls[0].body_json)["model"] == "other"


async def test_a_failed_call_that_nobody_catches_fails_its_sample_with_the_models_message(
    grader: Grader,
) -> None:
    source = "def grade(sample, item, ctx):\n    ctx.responses_create(input='fail')\n"
    task = grade_task(source, model_access=ACCESS, judge_model=JUDGE)

    outcomes = await grader.grade(task, [sample(0)])

    outcome = outcomes["sample-0"]
    assert (outcome.outcome, outcome.error_code) == (pb.OUTCOME_GRADER_ERROR, "grader_error")
    assert outcome.error_message == "ModelCallError: the model is ill"


@pytest.mark.parametrize(
    "body_json",
    [b"{", b"[1]", b"[" * 1_000 + b"]" * 1_000, b'{"deep":' + b"[" * 300 + b"]" * 300 + b"}"],
    ids=["no JSON", "a list", "a deep list", "a deep object"],
)
async def test_an_answer_that_cannot_be_read_is_the_models_failure(body_json: bytes) -> None:
    source = """
def grade(sample, item, ctx):
    try:
        ctx.responses_create(input="x")
    except ctx.ModelCallError as error:
        return {"score": 1, "judge": {"said": str(error)}}
"""
    async with running_grader(FakeBridge(body_json=body_json)) as grader:
        details = await judged(grader, source)

    assert details == {"said": "the model's answer cannot be read"}


async def test_an_answer_of_many_megabytes_arrives_whole() -> None:
    source = """
def grade(sample, item, ctx):
    text = ctx.responses_create(input="begin")["output_text"]
    return {"score": 1, "judge": {"begins": text[:6], "chars": len(text)}}
"""
    async with running_grader(FakeBridge(answer_chars=12_000_000)) as grader:
        details = await judged(grader, source)

    assert details == {"begins": "begin ", "chars": 12_000_000}


async def test_a_request_that_is_too_large_is_an_exception_and_is_not_sent(grader: Grader) -> None:
    source = f"""
def grade(sample, item, ctx):
    said = []
    for size in ({RESULT_BYTES_MAX}, {RESULT_BYTES_MAX} - 1_000):
        try:
            said.append(len(ctx.responses_create(input="x" * size)["output_text"]))
        except ValueError as error:
            said.append(str(error))
    return {{"score": 1, "judge": {{"said": said}}}}
"""
    details = await judged(grader, source)

    assert details["said"] == [
        "the request has more than 1,048,576 bytes as JSON",
        RESULT_BYTES_MAX - 1_000,
    ]
    assert len(grader.bridge.calls) == 1


async def test_a_request_that_is_too_large_by_hand_ends_the_execution(grader: Grader) -> None:
    source = by_hand(f"{{'said': ask(input='x' * {RESULT_BYTES_MAX})}}")
    task = grade_task(source, model_access=ACCESS, judge_model=JUDGE)

    outcomes = await grader.grade(task, [sample(0)])

    assert outcomes["sample-0"].outcome == pb.OUTCOME_INVALID_RESULT
    assert grader.bridge.calls == []


async def test_an_async_grader_gathers_calls_that_are_in_flight_together() -> None:
    source = """
import asyncio

async def grade(sample, item, ctx):
    asked = [asyncio.to_thread(ctx.responses_create, input=str(number)) for number in range(4)]
    answers = await asyncio.gather(*asked)
    return {"score": 1, "judge": {"said": [answer["output_text"] for answer in answers]}}
"""
    bridge = FakeBridge(together=4)
    async with running_grader(bridge) as grader:
        details = await judged(grader, source)

    assert details == {"said": ["0", "1", "2", "3"]}
    assert bridge.in_flight_max == 4


async def test_answers_reach_the_thread_that_asked_for_them() -> None:
    source = """
from concurrent.futures import ThreadPoolExecutor

def grade(sample, item, ctx):
    def ask(number):
        return [ctx.responses_create(input=f"{number} {turn}")["output_text"] for turn in range(5)]

    with ThreadPoolExecutor(12) as threads:
        wrong = [
            said
            for number, said in enumerate(threads.map(ask, range(12)))
            if said != [f"{number} {turn}" for turn in range(5)]
        ]
    return {"score": 1, "judge": {"wrong": wrong, "used": ctx.model_calls_used}}
"""
    bridge = FakeBridge(together=12)
    async with running_grader(bridge) as grader:
        details = await judged(grader, source)

    assert details == {"wrong": [], "used": 60}
    assert len(bridge.calls) == 60
