import asyncio

import orjson

from grader.jail.jail import EXECUTIONS_AT_ONCE_MAX
from integration.grader.conftest import (
    JUDGED,
    FakeBridge,
    Grader,
    grade_task,
    running_grader,
    sample,
)
from proctor.sandbox.v1 import sandbox_service_pb2 as pb

TOKEN, OLD_TOKEN = "new", "old"


async def test_a_judged_sample_gets_its_score_from_the_model(grader: Grader) -> None:
    task = grade_task(JUDGED, model_access="mka1", judge_model="judge", run_token=TOKEN)

    outcomes = await grader.grade(task, [sample(index, prompt=str(index)) for index in range(4)])

    assert [outcomes[f"sample-{index}"].scores_json for index in range(4)] == [
        b'{"score":%d.0}' % index for index in range(4)
    ]
    assert orjson.loads(outcomes["sample-0"].judge_json) == {"used": 1}
    call = grader.bridge.calls[0]
    assert call.run_token == TOKEN
    assert call.sample_id.startswith("sample-")
    body = orjson.loads(call.body_json)
    assert body == {
        "model": "judge",
        "input": body["input"],
        "stream": False,
        "background": False,
        "store": False,
    }
    assert grader.bridge.teams == {"team"}


async def test_25_judge_calls_are_in_flight_with_two_cpu_slots() -> None:
    bridge = FakeBridge(together=25, latency_s=0.2)
    async with running_grader(bridge, cpu_slots=2) as grader:
        task = grade_task(JUDGED, model_access="mka1", judge_model="judge", concurrency=25)

        outcomes = await grader.grade(task, [sample(index) for index in range(60)])

    assert {outcome.outcome for outcome in outcomes.values()} == {pb.OUTCOME_SCORED}
    assert bridge.in_flight_max == 25


async def test_however_many_wait_for_a_slow_judge_each_can_still_start_threads() -> None:
    source = """
from concurrent.futures import ThreadPoolExecutor
def grade(sample, item, ctx):
    ctx.responses_create(input="?")
    with ThreadPoolExecutor(3) as threads:
        return sum(threads.map(lambda _: 1, range(3))) / 3
"""
    bridge = FakeBridge(together=EXECUTIONS_AT_ONCE_MAX, latency_s=0.2)
    async with running_grader(bridge, cpu_slots=2) as grader:
        task = grade_task(source, model_access="mka1", judge_model="judge", concurrency=1_000)
        async with asyncio.TaskGroup() as tasks:
            shards = [
                tasks.create_task(
                    grader.grade(task, [sample(number) for number in range(first, first + 72)])
                )
                for first in (0, 72)
            ]

    outcomes = [one for shard in shards for one in shard.result().values()]
    assert {outcome.outcome for outcome in outcomes} == {pb.OUTCOME_SCORED}
    assert bridge.in_flight_max == EXECUTIONS_AT_ONCE_MAX


async def test_threads_of_one_execution_call_models_at_once() -> None:
    source = """
from concurrent.futures import ThreadPoolExecutor
def grade_batch(samples, ctx):
    def ask(sample):
        return float(ctx.responses_create(input=sample["prompt"])["output_text"])
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(ask, samples))
"""
    async with running_grader(FakeBridge(together=8)) as grader:
        task = grade_task(
            source, contract="batch", model_access="mka1", judge_model="judge", aggregate=True
        )

        outcomes = await grader.grade(
            task, [sample(index, prompt=str(index)) for index in range(8)]
        )

    assert [outcomes[f"sample-{index}"].scores_json for index in range(8)] == [
        b'{"score":%d.0}' % index for index in range(8)
    ]


async def test_calls_beyond_the_budget_are_not_sent(grader: Grader) -> None:
    source = """
def grade(sample, item, ctx):
    ctx.max_model_calls = 100
    for _ in range(5):
        try:
            ctx.responses_create(input="1")
        except RuntimeError as error:
            return {"score": 0, "judge": {"reason": str(error)}}
"""
    task = grade_task(source, model_access="mka1", judge_model="judge", max_model_calls=2)

    outcomes = await grader.grade(task, [sample(0)])

    assert orjson.loads(outcomes["sample-0"].judge_json) == {"reason": "max_model_calls exceeded"}
    assert len(grader.bridge.calls) == 2


async def test_without_model_access_nothing_is_sent(grader: Grader) -> None:
    source = """
def grade(sample, item, ctx):
    ctx._has_access = True
    ctx.responses_create(model="x", input="1")
"""

    outcomes = await grader.grade(grade_task(source, model_access="none"), [sample(0)])

    assert outcomes["sample-0"].error_message.startswith("PermissionError")
    assert grader.bridge.calls == []


async def test_auto_without_a_judge_model_says_what_the_run_lacks(grader: Grader) -> None:
    outcomes = await grader.grade(grade_task(JUDGED, model_access="mka1"), [sample(0)])

    assert outcomes["sample-0"].error_code == "judge_model_required"
    assert grader.bridge.calls == []


async def test_a_field_that_may_not_be_set_is_refused_on_the_host(grader: Grader) -> None:
    source = """
def grade(sample, item, ctx):
    ctx.responses_create(input="1", extra_headers={"authorization": "x"})
"""
    task = grade_task(source, model_access="mka1", judge_model="judge")

    outcomes = await grader.grade(task, [sample(0)])

    assert outcomes["sample-0"].error_message == (
        "ValueError: these fields cannot be set: extra_headers"
    )
    assert grader.bridge.calls == []


async def test_a_failed_model_call_reaches_the_grader_as_an_exception(grader: Grader) -> None:
    source = """
def grade(sample, item, ctx):
    try:
        ctx.responses_create(input="fail")
    except ctx.ModelCallError as error:
        return {"score": error.status, "judge": {"reason": error.body}}
"""
    task = grade_task(source, model_access="mka1", judge_model="judge")

    outcomes = await grader.grade(task, [sample(0)])

    assert outcomes["sample-0"].scores_json == b'{"score":500}'
    assert orjson.loads(outcomes["sample-0"].judge_json) == {"reason": "oops"}


async def test_a_run_token_that_is_over_is_renewed_once() -> None:
    async with running_grader(FakeBridge(refused_tokens={OLD_TOKEN})) as grader:
        task = grade_task(JUDGED, model_access="mka1", judge_model="judge", run_token=OLD_TOKEN)

        outcomes = await grader.grade(task, [sample(index) for index in range(4)])

    assert {outcome.outcome for outcome in outcomes.values()} == {pb.OUTCOME_SCORED}
    assert {call.run_token for call in grader.bridge.calls} == {OLD_TOKEN, f"{OLD_TOKEN}-renewed"}


async def test_a_bridge_that_is_away_is_our_failure_not_the_graders() -> None:
    async with running_grader(FakeBridge(), bridge_address="127.0.0.1:1") as grader:
        task = grade_task(JUDGED, model_access="mka1", judge_model="judge")

        outcomes = await grader.grade(task, [sample(0)])

    assert outcomes["sample-0"].outcome == pb.OUTCOME_JAIL_LOST


async def test_a_bridge_that_goes_away_with_calls_in_flight_is_our_failure() -> None:
    async with running_grader(FakeBridge(together=100)) as grader, asyncio.TaskGroup() as tasks:
        task = grade_task(JUDGED, model_access="mka1", judge_model="judge")
        graded = tasks.create_task(grader.grade(task, [sample(index) for index in range(3)]))
        while len(grader.bridge.calls) < 3:
            await asyncio.sleep(0.01)

        grader.bridge_server.cancel()

    assert {outcome.outcome for outcome in graded.result().values()} == {pb.OUTCOME_JAIL_LOST}


async def test_a_model_call_of_an_execution_that_ends_is_cancelled() -> None:
    async with running_grader(FakeBridge(together=100)) as grader:
        task = grade_task(JUDGED, model_access="mka1", judge_model="judge", timeout_seconds=1)

        outcomes = await grader.grade(task, [sample(0)])

    assert outcomes["sample-0"].outcome == pb.OUTCOME_TIMEOUT
    assert grader.bridge.cancelled == ["1"]
