"""Every list with every filter, page by page, with the published client."""

from collections.abc import Callable
from typing import Any

import pytest

from e2e.stack import Stack
from e2e.work import EXACT_MATCH, create_suite, samples, sums, task, upload_rows, wait

HALF = """
def grade(sample, item):
    number = int(sample["output_text"])
    return {"score": number % 10 / 10, "even": number % 2 == 0}
"""


def pages(fetch: Callable[..., Any], **filters: Any) -> list[str]:
    """Ids of a list fetched one entry at a time; each page says right whether more follow."""
    found: list[str] = []
    after = None
    while True:
        page = fetch(limit=1, after=after, **filters)
        found += [entry.id for entry in page.data]
        assert (page.first_id, page.last_id) == (
            (found[-1], found[-1]) if page.data else (None, None)
        )
        if not page.has_more:
            return found
        after = page.last_id


@pytest.mark.timeout(120)
def test_samples_are_narrowed_by_each_of_their_filters(stack: Stack) -> None:
    with stack.sdk() as sdk:
        file_id = upload_rows(sdk, [*sums(4), {"answer": "no question"}])
        suite_id = create_suite(
            sdk,
            task(file_id, id="half", grader={"type": "python", "source": HALF}),
            task(file_id, id="exact", grader={"type": "python", "source": EXACT_MATCH}),
        )
        created = sdk.llm.evals.create_run(suite_id=suite_id, models=["adder", "chat"])
        run_id = wait(sdk, created.id).id

        def places(**filters: Any) -> list[tuple[str, str, int]]:
            return [(s.task_id, s.model, s.sample_index) for s in samples(sdk, run_id, **filters)]

        everything = [
            (name, model, index)
            for name in ("half", "exact")
            for model in ("adder", "chat")
            for index in range(5)
        ]
        assert places() == everything
        assert places(task_id="exact") == everything[10:]
        assert places(task_id="none") == []
        assert places(model="chat") == [place for place in everything if place[1] == "chat"]
        assert places(status="failed") == [place for place in everything if place[2] == 4]
        assert places(status="scoring") == []
        assert places(sample_index="3,1") == [p for p in everything if p[2] in (1, 3)]
        of_half = {"task_id": "half", "model": "adder"}
        assert [p[2] for p in places(score_min=0.1, score_max=0.2, **of_half)] == [1, 2]
        assert [p[2] for p in places(score_min=1, score_metric="even", **of_half)] == [0, 2]
        assert places(score_max=99, score_metric="nobody", **of_half) == []

        with_rows = sdk.llm.evals.list_samples(run_id=run_id, limit=1).data[0]
        without = sdk.llm.evals.list_samples(
            run_id=run_id, limit=1, include_dataset_row=False, include_reasoning=True
        ).data[0]
        assert with_rows.dataset_row == {"question": "0 + 0", "answer": "0"}
        assert without.dataset_row is None
        assert len(pages(lambda **page: sdk.llm.evals.list_samples(run_id=run_id, **page))) == 20


@pytest.mark.timeout(120)
def test_runs_suites_and_versions_are_listed_newest_first_and_narrowed(stack: Stack) -> None:
    with stack.sdk() as sdk:
        evals = sdk.llm.evals
        file_id = upload_rows(sdk, sums(1))
        suite_id, other = create_suite(sdk, task(file_id)), create_suite(sdk, task(file_id))
        manifest: Any = {"tasks": [task(file_id)]}
        staged = evals.create_suite_version(suite_id=suite_id, manifest=manifest, make_active=False)
        first = evals.create_run(suite_id=suite_id, models=["adder"]).id
        second = evals.create_run(suite_id=suite_id, models=["adder"], suite_version=2).id
        elsewhere = evals.create_run(suite_id=other, models=["adder"]).id
        for run_id in (first, second, elsewhere):
            wait(sdk, run_id)

        assert pages(evals.list_runs, suite_id=suite_id) == [second, first]
        assert pages(evals.list_runs, suite_id=suite_id, suite_version=2) == [second]
        assert pages(evals.list_runs, suite_id=suite_id, status="completed") == [second, first]
        assert pages(evals.list_runs, suite_id=suite_id, status="cancelled") == []
        newest = [run.id for run in evals.list_runs(limit=3, owned_only=True).data]
        assert newest == [elsewhere, second, first]
        assert [suite.id for suite in evals.list_suites(limit=2, owned_only=True).data] == [
            other,
            suite_id,
        ]
        versions = evals.list_suite_versions(suite_id=suite_id)
        assert [version.version for version in versions.data] == [2, 1]
        assert pages(lambda **page: evals.list_suite_versions(suite_id=suite_id, **page)) == [
            version.id for version in versions.data
        ]
        assert (staged.version, evals.get_suite(suite_id=suite_id).active_version) == (2, 1)


def test_files_are_listed_both_ways_and_found_by_purpose_and_content(stack: Stack) -> None:
    with stack.sdk() as sdk:
        files = sdk.llm.files
        made = [upload_rows(sdk, sums(1, start=start)) for start in (123_001, 123_002)]
        twin = upload_rows(sdk, sums(1, start=123_001))
        digest = files.get(file_id=twin).sha256

        assert pages(files.list, sha256=digest) == [twin, made[0]]
        assert pages(files.list, sha256=digest, order="asc") == [made[0], twin]
        assert [file.id for file in files.list(limit=3, purpose="evals").data] == [
            twin,
            *made[::-1],
        ]
        assert files.list(purpose="assistants").data == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/evals/suites?after=eval_suite_0", "invalid_cursor"),
        ("/evals/runs?after=eval_run_0", "invalid_cursor"),
        ("/evals/runs?suite_version=1", "suite_version_without_suite"),
        ("/evals/runs?status=asleep", "invalid_parameter"),
        ("/evals/runs?limit=0", "invalid_parameter"),
        ("/evals/runs?limit=101", "invalid_parameter"),
        ("/evals/suites?limit=101", "invalid_parameter"),
        ("/files?limit=10001", "invalid_parameter"),
        ("/files?order=sideways", "invalid_parameter"),
        ("/files?after=file_0", "invalid_cursor"),
    ],
)
def test_what_a_list_cannot_be_asked_is_a_400_with_its_reason(
    stack: Stack, path: str, reason: str
) -> None:
    with stack.http() as http:
        answer = http.get(path)

    assert (answer.status_code, answer.json()["error"]["reason"]) == (400, reason)
