"""Which files are imported, and into which suite, through the published client."""

import json
from collections.abc import Callable

import pytest
from meetkai_mka1 import errors

from conformance.rest.importing import NOWHERE, Importing, refusal
from conformance.rest.teams import Team
from hub.harness import jsonl, simplified

pytestmark = pytest.mark.timeout(240)  # a loaded machine may take a while to start a stack


def test_listings_are_capped_at_50_and_named_files_are_not(importing: Importing) -> None:
    row = jsonl([simplified(0, 1.0, task="one", model="m")])
    paths = [f"f{number:03}/samples.jsonl" for number in range(60)]
    importing.put(dict.fromkeys(paths, row))

    listed = importing.run(dry_run=True)
    limited = importing.run(dry_run=True, limit_files=7)
    named = importing.run(dry_run=True, source={"files": [*paths, paths[0]]})

    assert (listed.discovered_files, listed.imported_runs, listed.skipped_runs) == (60, 50, 0)
    assert (limited.discovered_files, limited.imported_runs) == (60, 7)
    assert (named.discovered_files, named.imported_runs) == (60, 60)


def test_a_dry_run_tells_what_would_be_and_writes_nothing(importing: Importing) -> None:
    importing.put({"m/one_samples.jsonl": jsonl([simplified(0, 1.0)])})

    first = importing.run(dry_run=True)
    with importing.sdk() as sdk:
        nothing = sdk.llm.evals.list_suites().data
    real = importing.run()
    importing.put(
        {
            "m/one_samples.jsonl": jsonl([simplified(0, 1.0)]),
            "m/two_samples.jsonl": jsonl([simplified(0, 1.0)]),
        }
    )
    second = importing.run(dry_run=True, metadata={"again": "1"})

    assert (first.suite_id, first.suite_version, first.dry_run) == ("dry_run", 1, True)
    assert (first.created_suite, first.created_suite_version) == (True, True)
    assert (first.imported_runs, first.imported_samples) == (1, 1)
    assert nothing == []
    assert (second.suite_id, second.suite_version) == (real.suite_id, 2)
    assert (second.created_suite, second.created_suite_version) == (False, True)
    assert (second.imported_runs, second.skipped_runs) == (1, 1)


def test_an_import_goes_into_the_suite_that_is_named(
    importing: Importing, new_team: Callable[..., Team]
) -> None:
    owned = importing.team.belongings()
    suite_id = owned.ids["suite_id"]
    importing.put({"m/one_samples.jsonl": jsonl([simplified(0, 1.0)])})

    without = importing.files({"suite_id": suite_id, "create_missing_tasks": False})
    into = importing.run(suite_id=suite_id)
    with importing.sdk() as sdk:
        suite = sdk.llm.evals.get_suite(suite_id=suite_id)
        with pytest.raises(errors.SDKDefaultError) as not_runnable:
            sdk.llm.evals.create_run(suite_id=suite_id, models=["adder"], task_ids=["one"])
        run = sdk.llm.evals.list_runs(suite_id=suite_id, suite_version=2).data[0]
        with pytest.raises(errors.SDKDefaultError) as not_again:
            sdk.llm.evals.retry_failed_run(run_id=run.id)
    unknown = importing.post({"suite_id": NOWHERE})
    others = Importing(importing.stack, new_team())
    others.put({"m/one_samples.jsonl": jsonl([simplified(0, 1.0)])})
    foreign = others.post({"suite_id": suite_id})

    assert without == {"m/one_samples.jsonl": ("skipped", "unknown_task")}
    assert (into.suite_id, into.suite_version) == (suite_id, 2)
    assert (into.created_suite, into.created_suite_version) == (False, True)
    assert (suite.active_version, suite.latest_version) == (2, 2)
    body = json.loads(not_runnable.value.body)["error"]
    assert (body["code"], body["reason"], body["param"]) == (
        *(400, "imported_task_not_runnable", "task_ids"),
    )
    assert json.loads(not_again.value.body)["error"]["reason"] == "imported_run_not_runnable"
    assert refusal(unknown) == (404, "suite_not_found", None)
    assert refusal(foreign) == (404, "suite_not_found", None)


def test_more_than_a_hundred_tasks_are_too_many_and_nothing_is_written(
    importing: Importing,
) -> None:
    paths = [f"m/task{number}_samples.jsonl" for number in range(60)]
    importing.put(dict.fromkeys(paths, jsonl([simplified(0, 1.0)])))
    importing.run(limit_files=60)
    more = [f"m/more{number}_samples.jsonl" for number in range(60)]
    importing.put(dict.fromkeys(more, jsonl([simplified(0, 1.0)])))

    answer = importing.post({"limit_files": 60, "metadata": {"call": "another"}})
    with importing.sdk() as sdk:
        (suite,) = sdk.llm.evals.list_suites().data

    assert refusal(answer)[:2] == (400, "too_many_tasks")
    assert suite.latest_version == 1
