import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from integration.grader.conftest import (
    JUDGED,
    FakeBridge,
    Grader,
    grade_requests,
    grade_task,
    running_grader,
    sample,
)
from proctor.sandbox.v1 import sandbox_service_pb2 as pb
from servicekit.caller import Caller, calling_as
from servicekit.errors import RemoteError

TOKEN, OLD_TOKEN = "new", "old"
COUNTING = "seen = []\ndef grade(sample, item):\n    seen.append(1)\n    return len(seen)\n"
BATCH = """
def grade_batch(samples):
    hits = [s["extracted_output"] == s["target"] for s in samples]
    return {"samples": hits, "metrics": {"share": sum(hits) / len(hits)}}
"""


async def test_each_sample_is_scored_by_the_grader_on_its_extracted_output(grader: Grader) -> None:
    task = grade_task(extraction={"type": "take_first", "lines": 1})

    outcomes = await grader.grade(
        task, [sample(index, output="x\ny" if index % 2 else "y") for index in range(10)]
    )

    assert [outcomes[f"sample-{index}"].scores_json for index in range(10)] == [
        b'{"score":0.0}',
        b'{"score":1.0}',
    ] * 5
    assert outcomes["sample-1"].outcome == pb.OUTCOME_SCORED
    assert outcomes["sample-1"].extracted_output == "x"
    assert outcomes["sample-1"].run_time.nanos > 0
    assert not outcomes["sample-1"].error_code


async def test_every_sample_starts_from_a_clean_state(grader: Grader) -> None:
    outcomes = await grader.grade(grade_task(COUNTING), [sample(index) for index in range(5)])

    assert {outcome.scores_json for outcome in outcomes.values()} == {b'{"score":1}'}


async def test_a_failed_sample_keeps_its_traceback_and_what_it_printed(grader: Grader) -> None:
    source = (
        "import sys\n"
        "def grade(sample, item):\n"
        "    print('out', item['n'])\n"
        "    print('err', file=sys.stderr)\n"
        "    return 1 / item['n']\n"
    )

    outcomes = await grader.grade(grade_task(source), [sample(0, n=0), sample(1, n=1)])

    failed, scored = outcomes["sample-0"], outcomes["sample-1"]
    assert failed.outcome == pb.OUTCOME_GRADER_ERROR
    assert (failed.error_code, failed.error_stage) == ("grader_error", "score")
    assert failed.error_message == "ZeroDivisionError: division by zero"
    assert "line 5, in grade" in failed.traceback
    assert orjson.loads(failed.judge_json) == {"stdout": "out 0\n", "stderr": "err\n"}
    assert scored.outcome == pb.OUTCOME_SCORED
    assert not scored.judge_json


async def test_printed_text_is_cut_at_16_kib(grader: Grader) -> None:
    source = "def grade(sample, item):\n    print('é' * 100_000)\n    raise ValueError\n"

    outcomes = await grader.grade(grade_task(source), [sample(0)])

    printed = orjson.loads(outcomes["sample-0"].judge_json)["stdout"]
    assert printed == "é" * 8192


async def test_a_pattern_that_takes_for_ever_fails_its_sample_in_extraction(
    grader: Grader,
) -> None:
    task = grade_task(extraction={"type": "regex", "pattern": "(a+)+b"})

    outcomes = await grader.grade(task, [sample(0, output="a" * 60), sample(1, output="aab")])

    slow = outcomes["sample-0"]
    assert (slow.outcome, slow.error_code, slow.error_stage) == (
        pb.OUTCOME_TIMEOUT,
        "regex_timeout",
        "extract",
    )
    assert outcomes["sample-1"].outcome == pb.OUTCOME_SCORED


async def test_a_grader_that_is_too_slow_ends_at_its_own_limit(grader: Grader) -> None:
    source = "import time\ndef grade(sample, item):\n    time.sleep(60)\n"

    outcomes = await grader.grade(grade_task(source, timeout_seconds=1), [sample(0)])

    outcome = outcomes["sample-0"]
    assert (outcome.outcome, outcome.error_code) == (pb.OUTCOME_TIMEOUT, "grader_timeout")
    assert 1 <= outcome.run_time.seconds < 3


async def test_one_execution_grades_a_whole_task_and_returns_its_metrics(grader: Grader) -> None:
    task = grade_task(BATCH, contract="batch", aggregate=True)
    samples = [sample(index, output="x" if index < 3 else "y") for index in range(10)]

    answers = [answer async for answer in grader.stub.Grade(grade_requests(task, samples))]

    outcomes = {outcome.sample_id: outcome for answer in answers for outcome in answer.outcomes}
    assert [outcomes[f"sample-{index}"].scores_json for index in (0, 9)] == [
        b'{"score":1.0}',
        b'{"score":0.0}',
    ]
    assert orjson.loads(answers[-1].aggregate.metrics_json) == {"share": 0.3}


async def test_an_aggregate_execution_that_crashes_fails_all_its_samples(grader: Grader) -> None:
    source = "import os\ndef grade_batch(samples):\n    os._exit(0)\n"
    task = grade_task(source, contract="batch", aggregate=True)

    outcomes = await grader.grade(task, [sample(index) for index in range(7)])

    assert len(outcomes) == 7
    assert {outcome.outcome for outcome in outcomes.values()} == {pb.OUTCOME_CRASHED}


async def test_an_aggregate_execution_that_dies_early_keeps_what_it_had_answered(
    grader: Grader,
) -> None:
    source = (
        "def grade(sample, item):\n    return 1 if item['n'] < 4 else exec('while True: pass')\n"
    )
    task = grade_task(
        source, contract="model_backed", execution="aggregate", timeout_seconds=1, aggregate=True
    )

    outcomes = await grader.grade(task, [sample(index, n=index) for index in range(10)])

    assert len(outcomes) == 10
    assert {outcome.outcome for outcome in outcomes.values()} <= {
        pb.OUTCOME_SCORED,
        pb.OUTCOME_TIMEOUT,
    }
    assert outcomes["sample-9"].outcome == pb.OUTCOME_TIMEOUT


async def test_outcomes_come_while_the_caller_still_has_samples(grader: Grader) -> None:
    call = grader.stub.Grade()
    await call.write(pb.GradeRequest(task=grade_task()))
    await call.write(pb.GradeRequest(samples=pb.GradeSampleBatch(samples=[sample(0)])))

    first = await call.read()
    await call.write(pb.GradeRequest(samples=pb.GradeSampleBatch(samples=[sample(1)])))
    second = await call.read()
    await call.done_writing()

    assert isinstance(first, pb.GradeResponse)
    assert isinstance(second, pb.GradeResponse)
    assert first.outcomes[0].sample_id == "sample-0"
    assert second.outcomes[0].sample_id == "sample-1"


async def test_a_grader_whose_settings_cannot_be_read_is_refused(grader: Grader) -> None:
    with pytest.raises(RemoteError) as refused:
        await grader.grade(pb.GradeTask(grader_json=b'{"contract":"sample"}'), [])

    assert refused.value.reason == "GRADER_INVALID"


async def test_a_stream_that_does_not_begin_with_its_task_is_refused(grader: Grader) -> None:
    async def requests() -> AsyncIterator[pb.GradeRequest]:
        yield pb.GradeRequest(samples=pb.GradeSampleBatch(samples=[sample(0)]))

    with pytest.raises(RemoteError) as refused:
        async for _ in grader.stub.Grade(requests()):
            pass

    assert refused.value.reason == "MESSAGE_INVALID"


async def test_a_caller_that_goes_away_leaves_no_execution_behind(grader: Grader) -> None:
    source = "def grade(sample, item):\n    while True:\n        pass\n"
    call = grader.stub.Grade()
    await call.write(pb.GradeRequest(task=grade_task(source, timeout_seconds=60)))
    await call.write(pb.GradeRequest(samples=pb.GradeSampleBatch(samples=[sample(0)])))
    while len(jailed_processes()) < 2:  # the runner and its child
        await asyncio.sleep(0.01)

    call.cancel()

    async with asyncio.timeout(5):
        while len(jailed_processes()) > 1:
            await asyncio.sleep(0.01)


async def test_teams_never_share_a_jail_and_a_team_reuses_its_own() -> None:
    async with running_grader(FakeBridge()) as grader:
        await grader.grade(grade_task(), [sample(0)])
        first = jailed_processes()
        await grader.grade(grade_task(), [sample(0)])
        again = jailed_processes()
        with calling_as(Caller(org_id="org", team_id="other")):
            await grader.grade(grade_task(), [sample(0)])
        both = jailed_processes()

    assert first == again
    assert len(both) == len(first) + 1
    assert jailed_processes() == set()


async def test_idle_jails_end_by_themselves() -> None:
    async with running_grader(FakeBridge(), jail_idle_s=0.1) as grader:
        await grader.grade(grade_task(), [sample(0)])
        assert jailed_processes()

        async with asyncio.timeout(5):
            while jailed_processes():
                await asyncio.sleep(0.05)


async def test_more_programs_than_jails_take_turns() -> None:
    async with running_grader(FakeBridge(), jails_max=2) as grader, asyncio.TaskGroup() as both:
        graded = [
            both.create_task(
                grader.grade(grade_task(f"def grade(s, i):\n    return {number}\n"), [sample(0)])
            )
            for number in range(6)
        ]

    scores = [task.result()["sample-0"].scores_json for task in graded]
    assert scores == [b'{"score":%d}' % number for number in range(6)]


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
    async with running_grader(FakeBridge(together=25)) as grader:
        task = grade_task(JUDGED, model_access="mka1", judge_model="judge", concurrency=25)

        outcomes = await grader.grade(task, [sample(index) for index in range(25)])

    assert {outcome.outcome for outcome in outcomes.values()} == {pb.OUTCOME_SCORED}


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


def jailed_processes() -> set[int]:
    """Processes whose program is the runner's, below this process."""
    return {
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"grader/inside/runner" in _read(path)
        and b"nsjail" not in _read(path)
        and _is_ours(path)
    }


def _is_ours(path: Path) -> bool:
    pid = int(path.parent.name)
    while pid > 1:
        if pid == os.getpid():
            return True
        status = _read(Path(f"/proc/{pid}/status")).decode()
        pid = int(status.partition("PPid:")[2].split()[0]) if status else 0
    return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
