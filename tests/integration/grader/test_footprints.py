"""What an execution used and printed, as the answers tell it."""

import orjson

from integration.grader.conftest import Grader, grade_requests, grade_task, sample
from proctor.sandbox.v1 import sandbox_service_pb2 as pb

MIB = 1024 * 1024
PRINTS = """
import sys
def grade(sample, item):
    print("out", item["n"])
    print("err", file=sys.stderr)
    return 1
"""
GREEDY = """
def grade(sample, item):
    held = b"x" * (item["mib"] * 1024 * 1024)
    return len(held) > 0
"""
BUSY = """
import time
def grade(sample, item):
    until = time.process_time() + item["cpu_s"]
    while time.process_time() < until:
        pass
    return 1
"""
TOGETHER = """
def grade_batch(samples):
    print("seen", len(samples))
    return {"samples": [1 for _ in samples], "metrics": {"share": 0.5}}
"""


async def test_an_outcome_tells_how_much_memory_its_execution_held(grader: Grader) -> None:
    outcomes = await grader.grade(grade_task(GREEDY), [sample(0, mib=0), sample(1, mib=100)])

    small, large = (outcomes[f"sample-{index}"].peak_memory_bytes for index in range(2))
    assert MIB < small < 80 * MIB
    assert 90 * MIB < large - small < 110 * MIB


async def test_an_outcome_tells_how_much_cpu_its_execution_used(grader: Grader) -> None:
    outcomes = await grader.grade(grade_task(BUSY), [sample(0, cpu_s=0), sample(1, cpu_s=0.4)])

    idle, busy = (outcomes[f"sample-{index}"].cpu_time for index in range(2))
    assert idle.ToMilliseconds() < 300
    assert 400 <= busy.ToMilliseconds() < 1_000


async def test_what_a_scored_sample_printed_is_told_to_who_asks(grader: Grader) -> None:
    task = grade_task(PRINTS)
    plain = await grader.grade(task, [sample(0, n=0)])
    task.include_output = True
    told = await grader.grade(task, [sample(0, n=0), sample(1, n=1)])

    assert (plain["sample-0"].stdout, plain["sample-0"].stderr) == ("", "")
    assert (told["sample-0"].stdout, told["sample-0"].stderr) == ("out 0\n", "err\n")
    assert told["sample-1"].stdout == "out 1\n"
    assert not told["sample-0"].judge_json


async def test_an_execution_over_many_samples_is_told_once_at_its_end(grader: Grader) -> None:
    task = grade_task(TOGETHER, contract="batch", aggregate=True)
    task.include_output = True
    samples = [sample(index) for index in range(7)]

    answers = [answer async for answer in grader.stub.Grade(grade_requests(task, samples))]

    assert [answer.HasField("execution") for answer in answers[:-1]] == [False] * len(answers[:-1])
    execution = answers[-1].execution
    assert orjson.loads(answers[-1].aggregate.metrics_json) == {"share": 0.5}
    assert execution.stdout == "seen 7\n"
    assert execution.peak_memory_bytes > MIB
    assert execution.HasField("cpu_time")
    assert execution.run_time.ToMilliseconds() > 0
    outcomes = [outcome for answer in answers for outcome in answer.outcomes]
    assert not any(outcome.HasField("cpu_time") for outcome in outcomes)


async def test_an_execution_that_is_killed_tells_what_it_used(grader: Grader) -> None:
    source = "def grade(sample, item):\n    while True:\n        pass\n"

    outcomes = await grader.grade(grade_task(source, timeout_seconds=1), [sample(0)])

    outcome = outcomes["sample-0"]
    assert outcome.outcome == pb.OUTCOME_TIMEOUT
    assert outcome.cpu_time.ToMilliseconds() > 300
    assert outcome.peak_memory_bytes > MIB
