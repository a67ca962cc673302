"""What survives kill -9, and what subscribers hear of it."""

import asyncio
import json
import time
from collections import Counter

import nats
import pytest

from e2e.stack import Stack, run_proctor
from e2e.work import create_suite, samples, sums, task, upload_rows, wait

SERVICES = ["orchestrator", "grader", "gateway", "importer"]
ROWS = 120
CONCURRENCY = 8


@pytest.mark.timeout(180)
@pytest.mark.parametrize("service", SERVICES)
def test_a_run_survives_kill_9_of_a_service_and_repeats_no_more_than_the_calls_in_flight(
    stack: Stack, service: str
) -> None:
    with stack.sdk() as sdk:
        rows = sums(ROWS, start=1000 * SERVICES.index(service))
        file_id = upload_rows(sdk, rows)
        run_id = sdk.llm.evals.create_run(
            suite_id=create_suite(sdk, task(file_id)),
            models=["slow"],
            generation_concurrency=CONCURRENCY,
            grader_concurrency=2,
        ).id
        wait_for_progress(stack, run_id, at_least=ROWS // 6)

        stack.kill(service)
        run = wait(sdk, run_id, seconds=120)

        stored = samples(sdk, run_id)
        assert run.status == "completed", run.error
        assert run.request_counts.model_dump() == {"total": ROWS, "completed": ROWS, "failed": 0}
        assert [sample.sample_index for sample in stored] == list(range(ROWS))
        assert {json.dumps(sample.scores) for sample in stored} == {'{"score": 1.0}'}
        asked = stack.slow_upstream.calls()
        assert sum(asked[row["question"]] for row in rows) - ROWS <= CONCURRENCY


def wait_for_progress(stack: Stack, run_id: str, *, at_least: int) -> None:
    deadline = time.monotonic() + 60
    with stack.sdk() as sdk:
        while time.monotonic() < deadline:
            run = sdk.llm.evals.get_run(run_id=run_id)
            assert run.status in {"queued", "in_progress"}, (
                "the run ended before it could be disturbed"
            )
            if run.request_counts.completed >= at_least:
                return
            time.sleep(0.05)
    raise AssertionError(f"no progress: {run.request_counts}")


async def test_a_subscriber_hears_of_a_completed_run_exactly_once(stack: Stack) -> None:
    def one_run() -> str:
        with stack.sdk() as sdk:
            file_id = upload_rows(sdk, sums(1))
            suite_id = create_suite(sdk, task(file_id))
            created = sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"])
            return str(wait(sdk, created.id).id)

    connection = await nats.connect(stack.nats_url)
    try:
        run_ids = [await asyncio.to_thread(one_run) for _ in range(3)]
        stream = connection.jetstream()
        facts: Counter[tuple[str, str]] = Counter()
        events = await stream.subscribe("proctor.events.run.>", ordered_consumer=True)
        async with asyncio.timeout(20):
            while sum(facts[run_id, "completed"] for run_id in run_ids) < len(run_ids):
                message = await events.next_msg(timeout=20)
                assert message.headers is not None
                assert message.headers["ce-specversion"] == "1.0"
                run = json.loads(message.data)["run"]
                facts[run["run_id"], message.subject.split(".")[3]] += 1
    finally:
        await connection.close()

    for run_id in run_ids:
        assert [facts[run_id, fact] for fact in ("queued", "started", "completed")] == [1, 1, 1]
        assert facts[run_id, "failed"] == 0


async def test_a_run_that_cannot_be_prepared_fails_and_says_so_to_subscribers(stack: Stack) -> None:
    def failing_run() -> str:
        with stack.sdk() as sdk:
            file_id = upload_rows(sdk, sums(1))
            suite_id = create_suite(sdk, task(file_id))
            sdk.llm.files.delete(file_id=file_id)
            run = wait(sdk, sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"]).id)
            assert (run.status, run.error["code"]) == ("failed", "file_not_found")
            return str(run.id)

    run_id = await asyncio.to_thread(failing_run)

    connection = await nats.connect(stack.nats_url)
    try:
        events = await connection.jetstream().subscribe(
            "proctor.events.run.failed.>", ordered_consumer=True
        )
        async with asyncio.timeout(20):
            while True:
                message = await events.next_msg(timeout=20)
                run = json.loads(message.data)["run"]
                if run["run_id"] == run_id:
                    break
    finally:
        await connection.close()
    assert run["error"]["code"] == "file_not_found"


@pytest.mark.timeout(120)
def test_a_second_stack_on_the_same_state_folder_is_refused_with_a_sentence(
    stack: Stack,
) -> None:
    again = run_proctor("up", "--detach", "--json", "--state", str(stack.state_dir))

    assert again.returncode == 1
    assert str(stack.state_dir) in again.stderr
    assert "already" in again.stderr
