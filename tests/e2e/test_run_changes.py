"""Cancel, retry, rerun and delete, with the published client against real processes."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from meetkai_mka1 import SDK, errors
from meetkai_mka1.utils import BackoffStrategy, RetryConfig

from e2e.stack import Stack
from e2e.work import create_suite, samples, sums, task, upload_rows, wait

ROWS = 80
# One attempt: a refusal shall show at once.
ONCE = RetryConfig("backoff", BackoffStrategy(1, 1, 1, 1), retry_connection_errors=False)

ENDLESS = """
def grade(sample, item):
    while True:
        pass
"""


def until(condition: Callable[[], object], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def started(sdk: SDK, stack: Stack, *, start: int, concurrency: int = 8) -> str:
    """A run of the slow model with some samples completed and most to do."""
    file_id = upload_rows(sdk, sums(ROWS, start=start))
    suite_id = create_suite(sdk, task(file_id))
    run_id = sdk.llm.evals.create_run(
        suite_id=suite_id,
        models=["slow"],
        generation_concurrency=concurrency,
        grader_concurrency=2,
    ).id
    until(
        lambda: sdk.llm.evals.get_run(run_id=run_id).request_counts.completed >= concurrency,
        seconds=60,
    )
    return run_id


def computing(pid: int) -> bool:
    """Whether a process below this one uses the CPU now."""
    before = ticks_below(pid)
    time.sleep(0.5)
    after = ticks_below(pid)
    return any(after.get(child, 0) - ticks >= 5 for child, ticks in before.items())


def ticks_below(pid: int) -> dict[int, int]:
    """CPU time of all processes below one, in hundredths of a second."""
    found: dict[int, int] = {}
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it ended meanwhile
            for child in map(int, thread.read_text().split()):
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                found |= {child: int(fields[11]) + int(fields[12]), **ticks_below(child)}
    return found


@pytest.mark.timeout(120)
def test_a_slow_run_is_cancelled_and_retried_with_its_earlier_samples_kept(stack: Stack) -> None:
    with stack.sdk() as sdk:
        run_id = started(sdk, stack, start=50_000)

        answer = sdk.llm.evals.cancel_run(run_id=run_id)
        assert answer.status in {"cancelling", "cancelled"}
        run = wait(sdk, run_id, seconds=5)
        assert run.status == "cancelled"
        assert run.cancelled_at is not None
        assert run.metrics is None
        assert sdk.llm.evals.cancel_run(run_id=run_id).status == "cancelled"

        calls = sum(stack.slow_upstream.calls().values())
        before = {sample.id: sample for sample in samples(sdk, run_id)}
        kept = {key for key, sample in before.items() if sample.status == "completed"}
        assert len(kept) == run.request_counts.completed
        statuses = {sample.status for sample in before.values()}
        assert statuses <= {"completed", "queued", "ready_to_score"}
        time.sleep(1.0)  # ten calls' time, in which nothing of it may be called
        assert sum(stack.slow_upstream.calls().values()) == calls

        assert sdk.llm.evals.retry_failed_run(run_id=run_id).status == "queued"
        run = wait(sdk, run_id)
        after = {sample.id: sample for sample in samples(sdk, run_id)}
        assert (run.status, run.cancelled_at) == ("completed", None)
        assert run.request_counts.model_dump() == {"total": ROWS, "completed": ROWS, "failed": 0}
        assert after.keys() == before.keys()
        assert all(after[key] == before[key] for key in kept)
        asked = stack.slow_upstream.calls()
        assert all(asked[sample.prompt] == 1 for key, sample in after.items() if key in kept)


@pytest.mark.timeout(120)
def test_jails_of_a_cancelled_run_stop_within_seconds(stack: Stack) -> None:
    with stack.sdk() as sdk:
        file_id = upload_rows(sdk, sums(4, start=60_000))
        suite_id = create_suite(
            sdk,
            task(file_id, grader={"type": "python", "source": ENDLESS, "timeout_seconds": 60}),
        )
        grader = stack.pid("grader")
        run_id = sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"]).id
        until(lambda: computing(grader), seconds=30)

        sdk.llm.evals.cancel_run(run_id=run_id)

        assert wait(sdk, run_id, seconds=5).status == "cancelled"
        until(lambda: not computing(grader), seconds=5)
        waiting = samples(sdk, run_id)
        assert {sample.status for sample in waiting} == {"ready_to_score"}


@pytest.mark.timeout(120)
def test_a_cancel_survives_kill_9_of_the_orchestrator_right_after_its_answer(
    stack: Stack,
) -> None:
    with stack.sdk() as sdk:
        run_id = started(sdk, stack, start=70_000)

        sdk.llm.evals.cancel_run(run_id=run_id)
        stack.kill("orchestrator")

        run = wait(sdk, run_id, seconds=40)
        assert run.status == "cancelled"
        calls = sum(stack.slow_upstream.calls().values())
        sdk.llm.evals.retry_failed_run(run_id=run_id)
        stack.kill("orchestrator")
        run = wait(sdk, run_id, seconds=60)
        assert (run.status, run.request_counts.completed) == ("completed", ROWS)
        assert sum(stack.slow_upstream.calls().values()) > calls


@pytest.mark.timeout(120)
def test_failed_samples_run_again_in_place_and_results_and_files_are_made_anew(
    stack: Stack,
) -> None:
    with stack.sdk() as sdk:
        file_id = upload_rows(sdk, sums(4, start=80_000))
        suite_id = create_suite(sdk, task(file_id))
        # Whatever `moody` is asked, it refuses the first time.
        created = sdk.llm.evals.create_run(
            suite_id=suite_id, models=["adder", "moody"], generation={"max_retries": 0}
        )
        run = wait(sdk, created.id)
        assert run.request_counts.model_dump() == {"total": 8, "completed": 4, "failed": 4}
        first = {sample.id: sample for sample in samples(sdk, run.id)}
        old = sdk.llm.evals.get_artifacts(run_id=run.id)

        assert sdk.llm.evals.rerun_failed_samples(run_id=run.id).status == "queued"
        again = wait(sdk, run.id)

        second = {sample.id: sample for sample in samples(sdk, run.id)}
        assert again.status == "completed"
        assert again.request_counts.model_dump() == {"total": 8, "completed": 8, "failed": 0}
        assert second.keys() == first.keys()
        for key, sample in first.items():
            assert (second[key] == sample) == (sample.model == "adder")
            assert (second[key].status, second[key].scores) == ("completed", {"score": 1.0})
        assert json.loads(json.dumps(again.metrics))["by_model"]["moody"]["score"] == 1.0
        new = sdk.llm.evals.get_artifacts(run_id=run.id)
        assert not set(new.artifact_file_ids) & set(old.artifact_file_ids)
        answer = sdk.llm.files.content(file_id=str(new.result_file_id))
        result = json.loads(bytes(answer.read()))
        assert result["run"]["request_counts"] == again.request_counts.model_dump()

        def old_files_are_gone() -> bool:
            listed = {file.id for file in sdk.llm.files.list(purpose="evals").data}
            return not listed & set(old.artifact_file_ids)

        until(old_files_are_gone, seconds=20)


def test_a_run_and_then_its_suite_are_deleted_and_everything_answers_404(stack: Stack) -> None:
    with SDK(bearer_auth=stack.api_key, server_url=stack.base_url, retry_config=ONCE) as sdk:
        file_id = upload_rows(sdk, sums(2, start=90_000))
        suite_id = create_suite(sdk, task(file_id))
        first = wait(sdk, sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"]).id)
        second = sdk.llm.evals.create_run(suite_id=suite_id, models=["slow"])

        deleted = sdk.llm.evals.delete_run(run_id=first.id)
        assert (deleted.id, deleted.deleted) == (first.id, True)
        gone = sdk.llm.evals.delete_suite(suite_id=suite_id)
        assert (gone.id, gone.deleted, gone.deleted_runs) == (suite_id, True, 1)

        evals = sdk.llm.evals
        reads: list[Callable[[], object]] = [
            lambda: evals.get_run(run_id=first.id),
            lambda: evals.get_run(run_id=second.id),
            lambda: evals.list_samples(run_id=first.id),
            lambda: evals.get_artifacts(run_id=first.id),
            lambda: evals.cancel_run(run_id=second.id),
            lambda: evals.delete_run(run_id=first.id),
            lambda: evals.get_suite(suite_id=suite_id),
            lambda: evals.get_suite_version(suite_id=suite_id, version=1),
            lambda: evals.delete_suite(suite_id=suite_id),
            lambda: evals.create_run(suite_id=suite_id, models=["adder"]),
        ]
        for read in reads:
            with pytest.raises(errors.SDKError) as refused:
                read()
            assert refused.value.status_code == 404
        assert first.id not in {run.id for run in evals.list_runs(limit=100).data}
        assert suite_id not in {suite.id for suite in evals.list_suites(limit=100).data}
        artifacts = set(first.artifact_file_ids)

        def artifacts_are_gone() -> bool:
            return not artifacts & {file.id for file in sdk.llm.files.list(purpose="evals").data}

        until(artifacts_are_gone, seconds=20)
        assert sdk.llm.files.get(file_id=file_id).id == file_id


def test_with_a_run_go_the_bytes_of_its_files_that_nobody_else_has(stack: Stack) -> None:
    def stored(sha256: str) -> bool:
        return any((stack.state_dir / "blobs").rglob(sha256))

    with stack.sdk() as sdk:
        suite_id = create_suite(sdk, task(upload_rows(sdk, sums(2, start=93_000))))
        run = wait(sdk, sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"]).id)
        results, rows = (sdk.llm.files.get(file_id=file_id) for file_id in run.artifact_file_ids)
        content = bytes(sdk.llm.files.content(file_id=rows.id).read())
        copy = sdk.llm.files.upload(
            file={"file_name": "mine.jsonl", "content": content}, purpose="evals"
        )
        assert (copy.sha256, copy.id == rows.id) == (rows.sha256, False)
        assert stored(str(results.sha256))

        sdk.llm.evals.delete_run(run_id=run.id)

        until(lambda: not stored(str(results.sha256)), seconds=20)
        until(
            lambda: rows.id not in {file.id for file in sdk.llm.files.list(purpose="evals").data},
            seconds=20,
        )
        assert bytes(sdk.llm.files.content(file_id=copy.id).read()) == content


def test_what_a_runs_status_does_not_allow_is_a_409_with_its_reason(stack: Stack) -> None:
    with stack.sdk() as sdk, stack.http() as http:
        suite_id = create_suite(sdk, task(upload_rows(sdk, sums(1, start=95_000))))
        run_id = sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"]).id
        wait(sdk, run_id)

        reasons = {}
        for action in ("cancel", "rerun-failed", "retry"):
            answer = http.post(f"/evals/runs/{run_id}/{action}")
            assert answer.status_code == 409
            reasons[action] = answer.json()["error"]["reason"]

    assert reasons == {
        "cancel": "run_not_cancellable",
        "rerun-failed": "no_failed_samples",
        "retry": "run_not_retryable",
    }
