"""Runs of agents through the published client: imported at once, or trial by trial."""

import json
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from meetkai_mka1 import errors

from conformance.rest.sdk.agents import NO_RUN, NO_SUITE, TASKS, Json, new_suite, refused
from conformance.rest.teams import Team
from e2e.work import ENDED
from servicekit.ids import new_id

IMPORT = "/api/v1/llm/evals/imports/agent-run"
TIMES = {"started_at": "2026-09-21T14:13:20Z", "finished_at": "2026-09-21T14:19:02.125+00:00"}


@pytest.fixture(scope="module")
def suite_id(team: Team) -> str:
    return new_suite(team)


@pytest.fixture
def evals(team: Team) -> Iterator[Any]:
    with team.sdk() as sdk:
        yield sdk.llm.evals


@pytest.fixture
def agent(suite_id: str) -> Json:
    return {"suite_id": suite_id, "agent_name": "omp", "model": "model-a"}


def trial(task_id: str = "fix", **fields: Any) -> Json:
    return {"task_id": task_id, "scores": {"reward": 1}, **fields}


def plain(run: Any) -> Json:
    """A run's fields; the client has a class for each operation that answers one."""
    fields: Json = run.model_dump(exclude={"headers"})
    return fields


def samples_of(evals: Any, run_id: str) -> list[Any]:
    listed = evals.list_samples(run_id=run_id, limit=500)
    assert listed is not None
    return list(listed.data)


def test_a_finished_job_is_recorded_in_one_call(evals: Any, agent: Json) -> None:
    run = evals.import_agent_run(
        **agent,
        agent_version="1.4.0",
        agent_effort="medium",
        created_at=1_790_000_000,
        metadata={"job": "nightly"},
        trials=[
            trial("fix", sample_index=3, cost_usd=0.25, input_tokens=100, output_tokens=10),
            trial("write", scores={"reward": 0}, cost_usd=0.5, input_tokens=50),
        ],
    )

    assert (run.status, run.models, run.task_ids) == ("completed", ["model-a"], None)
    assert (run.agent_name, run.agent_version, run.agent_effort) == ("omp", "1.4.0", "medium")
    assert (run.created_at, run.metadata) == (1_790_000_000, {"job": "nightly"})
    assert run.completed_at is not None
    assert run.completed_at > run.created_at
    assert (run.request_counts.total, run.request_counts.completed) == (2, 2)
    assert run.cost_usd == 0.75
    assert (run.tokens.input, run.tokens.output, run.tokens.cached) == (150, 10, None)
    assert run.metrics is not None
    assert run.metrics["by_model"]["model-a"]["metrics"]["reward"]["value"] == 0.5
    assert run.metrics["by_task"]["fix"]["model-a"]["metrics"]["reward"]["value"] == 1
    assert plain(evals.get_run(run_id=run.id)) == plain(run)


def test_a_recorded_run_leaves_artifacts_as_others_do(evals: Any, team: Team, agent: Json) -> None:
    run = evals.import_agent_run(**agent, trials=[trial(output_text="ok")])
    artifacts = evals.get_artifacts(run_id=run.id)

    content = f"/api/v1/llm/files/{artifacts.result_file_id}/content"
    result = team.http.get(content).raise_for_status().json()
    lines = f"/api/v1/llm/files/{artifacts.samples_file_id}/content"
    (line,) = team.http.get(lines).raise_for_status().text.splitlines()
    assert run.artifact_file_ids == artifacts.artifact_file_ids
    assert result["run"]["agent_name"] == "omp"
    assert result["run"]["origin"] == "agent"
    assert json.loads(line)["output_text"] == "ok"


def test_the_sample_of_a_trial_shows_all_that_was_reported(evals: Any, agent: Json) -> None:
    error = {"type": "AgentTimeout", "attempts": 2}
    run = evals.import_agent_run(
        **agent,
        trials=[
            trial(
                sample_index=7,
                prompt="Fix the parser.",
                target="all tests pass",
                output_text="2 passed",
                scores={"reward": 0.5, "resolved": 0},
                error=error,
                cost_usd=0.125,
                input_tokens=900,
                output_tokens=80,
                cached_tokens=700,
                reasoning_tokens=60,
                phase_timings={"agent_execution": TIMES},
            )
        ],
    )

    (sample,) = samples_of(evals, run.id)
    assert (sample.task_id, sample.model, sample.sample_index) == ("fix", "model-a", 7)
    assert (sample.status, sample.error) == ("completed", error)
    assert (sample.prompt, sample.target) == ("Fix the parser.", "all tests pass")
    assert (sample.output_text, sample.extracted_output) == ("2 passed", None)
    assert sample.scores == {"reward": 0.5, "resolved": 0}
    assert (sample.cost_usd, sample.input_tokens, sample.output_tokens) == (0.125, 900, 80)
    assert (sample.cached_tokens, sample.reasoning_tokens) == (700, 60)
    assert sample.phase_timings == {"agent_execution": TIMES}
    assert (sample.dataset_row, sample.response_id, sample.tokens_estimated) == (None, None, False)


def test_what_was_not_reported_is_null_and_a_trial_may_fail_without_an_error(
    evals: Any, agent: Json
) -> None:
    trials = [{"task_id": "fix", "status": "failed"}, {"task_id": "fix"}]
    run = evals.import_agent_run(**agent, trials=trials)

    failed, scoreless = samples_of(evals, run.id)
    assert (failed.status, failed.error, failed.prompt) == ("failed", None, "")
    assert (failed.cost_usd, failed.input_tokens, failed.phase_timings) == (None, None, None)
    assert (scoreless.status, scoreless.scores) == ("completed", {})
    assert (run.request_counts.completed, run.request_counts.failed) == (1, 1)
    assert (run.cost_usd, run.tokens.input, run.agent_version) == (None, None, None)


def test_indices_default_to_the_position_and_tasks_that_were_not_tried_are_not_named(
    evals: Any, agent: Json
) -> None:
    run = evals.import_agent_run(**agent, trials=[trial(), trial(), trial(sample_index=9)])

    assert [sample.sample_index for sample in samples_of(evals, run.id)] == [0, 1, 9]
    assert run.task_ids == ["fix"]


def test_the_cost_of_the_job_wins_over_the_sum_of_its_trials(evals: Any, agent: Json) -> None:
    run = evals.import_agent_run(**agent, cost_usd=9.5, trials=[trial(cost_usd=1)])

    assert run.cost_usd == 9.5


def test_a_job_without_trials_can_be_recorded(evals: Any, agent: Json) -> None:
    run = evals.import_agent_run(**agent)

    assert (run.status, run.request_counts.total, run.task_ids) == ("completed", 0, [])


def test_a_job_is_watched_while_its_trials_come(evals: Any, agent: Json) -> None:
    opened = evals.import_agent_run(**agent, finalize=False, expected_trials=3)
    assert (opened.status, opened.completed_at, opened.metrics) == ("in_progress", None, None)
    assert (opened.request_counts.total, opened.request_counts.completed) == (3, 0)
    assert opened.task_ids == []

    first = [trial(sample_index=0, cost_usd=1, input_tokens=10)]
    one = evals.append_agent_trials(run_id=opened.id, trials=first)
    assert (one.status, one.request_counts.completed, one.request_counts.total) == (
        *("in_progress", 1),
        3,
    )
    assert (one.cost_usd, one.tokens.input, one.task_ids) == (1, 10, ["fix"])

    both = [*first, trial("write", sample_index=0, cost_usd=0.5, status="failed")]
    done = evals.append_agent_trials(run_id=opened.id, trials=both, finalize=True)
    assert (done.id, done.status, done.task_ids) == (opened.id, "completed", None)
    assert (done.request_counts.total, done.request_counts.failed) == (2, 1)
    assert (done.cost_usd, done.tokens.input) == (1.5, 10)
    assert len(done.artifact_file_ids) == 2


def test_a_batch_that_is_sent_again_replaces_its_trials(evals: Any, agent: Json) -> None:
    opened = evals.import_agent_run(**agent, finalize=False)
    batch = [trial(sample_index=0, cost_usd=2), trial(sample_index=1, cost_usd=3)]
    evals.append_agent_trials(run_id=opened.id, trials=batch)
    before = samples_of(evals, opened.id)

    better = [trial(sample_index=0, scores={"reward": 0}, output_text="new"), batch[1]]
    run = evals.append_agent_trials(run_id=opened.id, trials=better)

    after = samples_of(evals, opened.id)
    assert [sample.id for sample in after] == [sample.id for sample in before]
    assert (after[0].scores, after[0].output_text) == ({"reward": 0}, "new")
    assert (run.request_counts.total, run.cost_usd) == (2, 3)
    assert run.metrics is not None
    assert run.metrics["by_task"]["fix"]["model-a"]["metrics"]["reward"]["value"] == 0.5


def test_appends_at_the_same_time_lose_nothing(team: Team, evals: Any, agent: Json) -> None:
    opened = evals.import_agent_run(**agent, finalize=False)
    seen: list[int] = []

    def append(place: int) -> None:
        with team.sdk() as sdk:
            run = sdk.llm.evals.append_agent_trials(
                run_id=opened.id, trials=[trial(sample_index=place, cost_usd=1)]
            )
        seen.append(run.request_counts.total)

    threads = [Thread(target=append, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    run = evals.get_run(run_id=opened.id)
    assert sorted(seen) == list(range(1, 9))
    assert (run.request_counts.completed, run.cost_usd) == (8, 8)


def test_a_repeated_key_answers_the_first_run(evals: Any, agent: Json) -> None:
    key = new_id("job")
    first = evals.import_agent_run(**agent, idempotency_key=key, trials=[trial()])

    again = evals.import_agent_run(**agent, idempotency_key=key, trials=[trial()])
    other = evals.import_agent_run(**agent, idempotency_key=new_id("job"), trials=[trial()])

    assert plain(again) == plain(first)
    assert other.id != first.id
    assert refused(evals.import_agent_run, **agent, idempotency_key=key) == (
        *(409, "idempotency_key_reused"),
        "idempotency_key",
    )


def test_keys_are_a_teams_own_and_free_again_when_the_run_is_deleted(
    evals: Any, agent: Json, new_team: Callable[..., Team]
) -> None:
    key = new_id("job")
    first = evals.import_agent_run(**agent, idempotency_key=key)
    neighbour = new_team()
    with neighbour.sdk() as sdk:
        theirs = sdk.llm.evals.import_agent_run(
            **{**agent, "suite_id": new_suite(neighbour)}, idempotency_key=key
        )
    evals.delete_run(run_id=first.id)

    second = evals.import_agent_run(**agent, idempotency_key=key)

    assert len({first.id, second.id, theirs.id}) == 3


def test_an_older_version_can_be_reported(evals: Any, team: Team) -> None:
    suite_id = new_suite(team, "old")
    version = team.http.get(f"/api/v1/llm/evals/suites/{suite_id}/versions/1").json()
    manifest = {"tasks": [{**version["manifest"]["tasks"][0], "id": "new"}]}
    team.http.post(
        f"/api/v1/llm/evals/suites/{suite_id}/versions", json={"manifest": manifest}
    ).raise_for_status()
    about = {"suite_id": suite_id, "agent_name": "omp", "model": "m"}

    old = evals.import_agent_run(**about, suite_version=1, trials=[trial("old")])
    new = evals.import_agent_run(**about, trials=[trial("new")])

    assert (old.suite_version, old.task_ids) == (1, None)
    assert (new.suite_version, new.task_ids) == (2, None)


def test_an_open_run_is_cancelled_at_once_and_keeps_its_trials(evals: Any, agent: Json) -> None:
    opened = evals.import_agent_run(**agent, finalize=False, trials=[trial()])

    cancelled = evals.cancel_run(run_id=opened.id)

    assert (cancelled.status, cancelled.request_counts.completed) == ("cancelled", 1)
    assert len(samples_of(evals, opened.id)) == 1
    late = {"run_id": opened.id, "trials": [trial(sample_index=1)]}
    assert refused(evals.append_agent_trials, **late) == (409, "run_not_open", None)


def test_a_recorded_run_is_deleted_as_any_other(evals: Any, agent: Json) -> None:
    opened = evals.import_agent_run(**agent, finalize=False, trials=[trial()])
    completed = evals.import_agent_run(**agent, trials=[trial()])

    for run in (opened, completed):
        assert evals.delete_run(run_id=run.id).deleted is True
        assert refused(evals.get_run, run_id=run.id)[:2] == (404, "run_not_found")
        batch = {"run_id": run.id, "trials": [trial(sample_index=1)]}
        assert refused(evals.append_agent_trials, **batch) == (404, "run_not_found", None)


@pytest.mark.parametrize("finalize", [True, False])
def test_a_recorded_run_cannot_be_run_again(evals: Any, agent: Json, *, finalize: bool) -> None:
    failed = [trial(status="failed")]
    run = evals.import_agent_run(**agent, finalize=finalize, trials=failed)

    for call in (evals.rerun_failed_samples, evals.retry_failed_run):
        status, reason, _ = refused(call, run_id=run.id)
        assert (status, reason) == (409, "imported_run_not_runnable")
    assert plain(evals.get_run(run_id=run.id)) == plain(run)


@pytest.mark.parametrize("trials", [[], [trial(sample_index=1)]], ids=["nothing", "a trial"])
def test_a_completed_run_takes_no_trials(evals: Any, agent: Json, trials: list[Json]) -> None:
    run = evals.import_agent_run(**agent, trials=[trial()])

    late = {"run_id": run.id, "trials": trials, "finalize": True}
    assert refused(evals.append_agent_trials, **late) == (409, "run_not_open", None)
    assert plain(evals.get_run(run_id=run.id)) == plain(run)


def test_an_executed_run_takes_no_trials(evals: Any, team: Team) -> None:
    run_id = team.belongings().ids["run_id"]
    before = evals.get_run(run_id=run_id)
    assert before.status in ENDED

    late = {"run_id": run_id, "trials": [trial("sums", sample_index=0)]}
    assert refused(evals.append_agent_trials, **late) == (409, "run_not_recorded", None)
    assert evals.get_run(run_id=run_id) == before


def test_what_does_not_exist_is_not_found(evals: Any, agent: Json) -> None:
    elsewhere = {**agent, "suite_id": NO_SUITE}
    nothing = {"run_id": NO_RUN, "trials": [trial(sample_index=0)]}

    assert refused(evals.import_agent_run, **elsewhere)[:2] == (404, "suite_not_found")
    assert refused(evals.append_agent_trials, **nothing)[:2] == (404, "run_not_found")


def test_the_suite_decides_which_tasks_there_are(evals: Any, agent: Json) -> None:
    trials = [trial(), trial("write"), trial("typo")]
    opened = evals.import_agent_run(**agent, finalize=False)
    with_index = [{**one, "sample_index": place} for place, one in enumerate(trials)]

    for call, where in (
        (evals.import_agent_run, {**agent, "trials": trials}),
        (evals.append_agent_trials, {"run_id": opened.id, "trials": with_index}),
    ):
        assert refused(call, **where) == (400, "unknown_task_ids", "trials[2].task_id")
    assert samples_of(evals, opened.id) == []


def test_two_trials_cannot_stand_in_the_same_place(evals: Any, agent: Json) -> None:
    twice = [trial(sample_index=1), trial()]

    told = refused(evals.import_agent_run, **agent, trials=twice)

    assert told == (400, "duplicate_trial", "trials[1].sample_index")


def test_an_unknown_version_and_a_time_to_come_are_refused(evals: Any, agent: Json) -> None:
    assert refused(evals.import_agent_run, **agent, suite_version=7) == (
        *(400, "unknown_suite_version"),
        "suite_version",
    )
    assert refused(evals.import_agent_run, **agent, created_at=4_000_000_000) == (
        *(400, "invalid_created_at"),
        "created_at",
    )


LONG = "x" * 1_000_001
BROKEN: list[tuple[str, Json, str]] = [
    ("suite_id", {"suite_id": ""}, "suite_id"),
    ("no agent", {"agent_name": None}, "agent_name"),
    ("agent_name", {"agent_name": "x" * 256}, "agent_name"),
    ("agent_version", {"agent_version": ""}, "agent_version"),
    ("agent_effort", {"agent_effort": 7}, "agent_effort"),
    ("model", {"model": "\x00"}, "model"),
    ("surrogate", {"model": "\ud800"}, "model"),
    ("suite_version", {"suite_version": 0}, "suite_version"),
    ("cost_usd", {"cost_usd": -1}, "cost_usd"),
    ("created_at", {"created_at": 1.5}, "created_at"),
    ("metadata", {"metadata": {"k": "x" * 513}}, "metadata.k"),
    ("idempotency_key", {"idempotency_key": "x" * 256}, "idempotency_key"),
    ("expected_trials", {"expected_trials": 100_001}, "expected_trials"),
    ("finalize", {"finalize": "no"}, "finalize"),
    ("unknown", {"agents": 1}, "agents"),
    ("trials", {"trials": {}}, "trials"),
    ("many trials", {"trials": [trial()] * 1_001}, "trials"),
    ("a trial", {"trials": [7]}, "trials[0]"),
    ("task_id", {"trials": [{}]}, "trials[0].task_id"),
    ("status", {"trials": [trial(status="errored")]}, "trials[0].status"),
    ("sample_index", {"trials": [trial(sample_index=-1)]}, "trials[0].sample_index"),
    ("large index", {"trials": [trial(sample_index=2**31)]}, "trials[0].sample_index"),
    ("prompt", {"trials": [trial(prompt=LONG)]}, "trials[0].prompt"),
    ("output_text", {"trials": [trial(output_text="\x00")]}, "trials[0].output_text"),
    ("scores", {"trials": [trial(scores={"reward": "1"})]}, "trials[0].scores.reward"),
    ("true score", {"trials": [trial(scores={"reward": True})]}, "trials[0].scores.reward"),
    (
        "many scores",
        {"trials": [trial(scores={str(n): n for n in range(101)})]},
        "trials[0].scores",
    ),
    ("error", {"trials": [trial(error="boom")]}, "trials[0].error"),
    ("long error", {"trials": [trial(error={"m": "x" * 65_536})]}, "trials[0].error"),
    ("trial cost", {"trials": [trial(cost_usd=1e300)]}, "trials[0].cost_usd"),
    ("tokens", {"trials": [trial(input_tokens=10**12 + 1)]}, "trials[0].input_tokens"),
    ("huge", {"trials": [trial(output_tokens=10**30)]}, "trials[0].output_tokens"),
    ("timings", {"trials": [trial(phase_timings=[])]}, "trials[0].phase_timings"),
    ("trial field", {"trials": [trial(cost=1)]}, "trials[0].cost"),
]


@pytest.mark.parametrize(
    ("change", "param"), [row[1:] for row in BROKEN], ids=[r[0] for r in BROKEN]
)
def test_a_report_that_breaks_a_rule_is_refused_by_its_field_and_nothing_is_stored(
    team: Team, agent: Json, change: Json, param: str
) -> None:
    before = team.http.get("/api/v1/llm/evals/runs").json()
    raw = json.dumps({**agent, **change})

    answer = team.http.post(IMPORT, content=raw, headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert team.http.get("/api/v1/llm/evals/runs").json() == before


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity"])
def test_scores_are_finite_numbers(team: Team, agent: Json, number: str) -> None:
    raw = json.dumps({**agent, "trials": [trial(scores={"reward": 0.625})]}).replace(
        "0.625", number
    )

    answer = team.http.post(IMPORT, content=raw, headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["error"]["param"]) == (
        *(400,),
        "trials[0].scores.reward",
    )


def test_an_appended_trial_needs_its_index(evals: Any, team: Team, agent: Json) -> None:
    opened = evals.import_agent_run(**agent, finalize=False)

    answer = team.http.post(
        f"/api/v1/llm/evals/runs/{opened.id}/trials", json={"trials": [trial()]}
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "trials[0].sample_index"


def test_the_largest_numbers_that_are_taken_add_up(evals: Any, agent: Json) -> None:
    most: Json = {"cost_usd": 1e9, "input_tokens": 10**12, "scores": {"reward": 1.7e308}}
    run = evals.import_agent_run(**agent, trials=[trial(**most), trial(**most)])

    assert (run.status, run.cost_usd, run.tokens.input) == ("completed", 2e9, 2 * 10**12)


def test_another_organisation_reads_a_shared_run_and_adds_nothing(
    evals: Any, agent: Json, new_team: Callable[..., Team]
) -> None:
    opened = evals.import_agent_run(**agent, finalize=False, trials=[trial()])
    reader = new_team(org=new_id("org"))
    evals.create_suite_share(suite_id=agent["suite_id"], org_id=reader.org)

    with reader.sdk() as sdk:
        theirs = sdk.llm.evals
        seen = theirs.get_run(run_id=opened.id)
        batch = {"run_id": opened.id, "trials": [trial(sample_index=1)]}

        assert (seen.agent_name, len(samples_of(theirs, opened.id))) == ("omp", 1)
        assert refused(theirs.append_agent_trials, **batch)[0] == 403
        assert refused(theirs.import_agent_run, **agent)[0] == 403
    assert len(samples_of(evals, opened.id)) == 1


def test_the_published_client_knows_every_task_that_was_tried(evals: Any, agent: Json) -> None:
    run = evals.import_agent_run(**agent, trials=[trial(task_id) for task_id in TASKS])
    listed = evals.list_samples(run_id=run.id, task_id="write", score_metric="reward", score_min=1)

    assert listed is not None
    assert [sample.task_id for sample in listed.data] == ["write"]
    with pytest.raises(errors.SDKDefaultError):
        evals.list_samples(run_id=run.id, after=NO_RUN)
