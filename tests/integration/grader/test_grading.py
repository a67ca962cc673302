from collections.abc import AsyncIterator

import orjson
import pytest

from integration.grader.conftest import (
    Grader,
    grade_requests,
    grade_task,
    sample,
)
from proctor.sandbox.v1 import sandbox_service_pb2 as pb
from servicekit.errors import RemoteError

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


async def test_a_whole_number_that_no_reader_takes_fails_its_sample_alone(grader: Grader) -> None:
    source = (
        "def grade(sample, item):\n"
        "    n = 10 ** 400 if sample['output_text'] == 'long' else 2 ** 63\n"
        "    return {'score': 1.0, 'details': {'n': n}}\n"
    )

    outcomes = await grader.grade(
        grade_task(source), [sample(0, output="long"), sample(1, output="short")]
    )

    assert outcomes["sample-0"].error_code == "invalid_grader_result"
    assert "a whole number beyond 64 bits" in outcomes["sample-0"].error_message
    assert b":9223372036854775808" in outcomes["sample-1"].judge_json
