"""Imports that are asked for again, or die, through the published client."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conformance.rest.importing import TOKEN, Importing
from e2e.stack import proctor
from hub.harness import jsonl, simplified

pytestmark = pytest.mark.timeout(240)  # a loaded machine may take a while to start a stack


def test_a_repeat_gets_the_first_answer_and_another_call_imports_nothing_twice(
    importing: Importing,
) -> None:
    importing.put({"m/one_samples.jsonl": jsonl([simplified(0, 1.0)])})

    first = importing.run()
    repeat = importing.run()
    proctor("restart", "importer", "--state", str(importing.stack.state_dir))
    later = importing.run()
    other = importing.run(metadata={"by": "another body"})
    with importing.sdk() as sdk:
        runs = sdk.llm.evals.list_runs(suite_id=first.suite_id).data

    assert first.created_suite
    assert repeat == first == later
    assert (other.imported_runs, other.skipped_runs) == (0, 1)
    assert (other.suite_id, other.created_suite) == (first.suite_id, False)
    assert len(runs) == 1


def test_a_deleted_run_is_imported_again_and_a_new_commit_of_the_same_file_is_not(
    importing: Importing,
) -> None:
    content = jsonl([simplified(0, 1.0)])
    importing.put({"m/one_samples.jsonl": content})
    importing.run()
    importing.put({"m/one_samples.jsonl": content, "README.md": b"hello"})

    same = importing.run(metadata={"try": "2"})
    with importing.sdk() as sdk:
        sdk.llm.evals.delete_run(run_id=sdk.llm.evals.list_runs().data[0].id)
    again = importing.run(metadata={"try": "3"})

    assert (same.imported_runs, same.skipped_runs) == (0, 1)
    assert (again.imported_runs, again.skipped_runs) == (1, 0)


def test_a_slow_import_and_a_client_that_gives_up_and_retries_end_in_one_import(
    importing: Importing,
) -> None:
    importing.put({"m/one_samples.jsonl": jsonl([simplified(0, 1.0)])})
    importing.hub.trouble("/resolve/", delay_s=8)

    with importing.sdk() as sdk:  # waits 5 s, three times
        answer = sdk.llm.evals.import_historical_results(
            x_hugging_face_token=TOKEN, source={"repo": importing.repo}
        )
        runs = sdk.llm.evals.list_runs(suite_id=answer.suite_id).data

    assert (answer.imported_runs, answer.created_suite) == (1, True)
    assert len(runs) == 1
    assert len(importing.hub.paths(f"{importing.repo}/resolve/")) == 1


def test_equal_calls_at_the_same_time_are_one_import(importing: Importing) -> None:
    importing.put({"m/one_samples.jsonl": jsonl([simplified(0, 1.0)])})
    importing.hub.trouble("/resolve/", delay_s=1)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: importing.post({}).json(), range(4)))

    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["imported_runs"] == 1


def test_an_import_whose_process_was_killed_is_completed_by_a_repeat(importing: Importing) -> None:
    importing.put(
        {
            "m/one_samples.jsonl": jsonl(simplified(number, 1.0) for number in range(50)),
            "m/two_samples.jsonl": jsonl([simplified(0, 1.0)]),
        }
    )
    importing.hub.trouble("two_samples", delay_s=60)

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(importing.post, {})
        deadline = time.monotonic() + 60
        while not importing.hub.paths(f"{importing.repo}/resolve/") or not [
            path for path in importing.hub.paths("two_samples") if importing.repo in path
        ]:
            assert time.monotonic() < deadline
            time.sleep(0.05)  # a poll's pause
        os.kill(importing.stack.pid("importer"), signal.SIGKILL)
        proctor("restart", "importer", "--state", str(importing.stack.state_dir))
        first.result()
    again = importing.run()
    with importing.sdk() as sdk:
        runs = sdk.llm.evals.list_runs().data
        suites = sdk.llm.evals.list_suites().data

    assert (again.imported_runs, again.skipped_runs, again.created_suite) == (2, 0, True)
    assert len(runs) == 2
    assert len(suites) == 1
    assert sorted(run.request_counts.total for run in runs) == [1, 50]
