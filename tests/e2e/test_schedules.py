"""Webhooks of schedules, when what makes and tells them is killed."""

from collections.abc import Iterator

import pytest

from conformance.rest.sdk.receiver import Receiver, Told, receiving
from e2e.stack import Stack
from e2e.work import create_suite, sums, task, upload_rows, wait

RUNS = 4
SECRET = "whsec-e2e-canary-92aa0c"  # noqa: S105 -- of a test


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.mark.timeout(300)
@pytest.mark.parametrize("service", ["gateway", "orchestrator"])
def test_every_run_is_told_of_although_a_service_is_killed_again_and_again(
    stack: Stack, receiver: Receiver, service: str
) -> None:
    with stack.sdk() as sdk:
        evals = sdk.llm.evals
        suite_id = create_suite(sdk, task(upload_rows(sdk, sums(3))))
        schedule = evals.create_schedule(
            name="told",
            suite_id=suite_id,
            run={"models": ["slow"], "concurrency": 1},
            interval_seconds=86_400,
            overlap_policy="allow_all",
            webhook_url=receiver.url,
            webhook_secret=SECRET,
        )
        run_ids = []
        for _ in range(RUNS):
            fired = evals.trigger_schedule(schedule_id=schedule.id)
            run_ids.append(str(fired.last_run_id))
            # Just when runs end, are announced, noted and told.
            stack.kill(service)
        ended = [wait(sdk, run_id, seconds=120) for run_id in run_ids]

    told = told_of(receiver, run_ids)

    assert {run.status for run in ended} == {"completed"}
    assert {entry.document["type"] for entry in told} == {"eval.run.completed"}
    assert all(entry.is_signed_with(SECRET) for entry in told)
    ids = {entry.headers["x-webhook-id"] for entry in told}
    assert len(ids) == RUNS


def told_of(receiver: Receiver, run_ids: list[str]) -> list[Told]:
    """What the receiver was told, once it has heard of each run."""
    count = len(run_ids)
    while True:
        told = receiver.until(count, within_s=120)
        if {entry.document["data"]["id"] for entry in told} == set(run_ids):
            return told
        count = len(told) + 1
