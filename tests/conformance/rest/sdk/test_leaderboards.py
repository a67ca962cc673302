"""Overviews, leaderboards and measured tokens, through the published client."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from meetkai_mka1 import SDK, errors

from conformance.rest.teams import Team
from e2e.work import create_suite, sums, task, upload_rows, wait
from servicekit.ids import new_id

Json = dict[str, Any]

NO_SUITE = f"eval_suite_{'0' * 32}"
NO_RUN = f"eval_run_{'0' * 32}"


@pytest.fixture
def sdk(new_team: Callable[..., Team]) -> Iterator[SDK]:
    """The client of a team that has nothing yet."""
    with new_team().sdk() as client:
        yield client


@pytest.fixture
def suite_id(sdk: SDK) -> str:
    """A suite with the tasks `a` and `b`, of two rows each."""
    file_id = upload_rows(sdk, sums(2))
    return create_suite(sdk, task(file_id, id="a"), task(file_id, id="b"))


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[int, str, str | None]:
    """Status, reason and param of a refusal."""
    with pytest.raises(errors.SDKDefaultError) as caught:
        call(**arguments)
    error = json.loads(caught.value.body)["error"]
    assert error["code"] == caught.value.status_code
    return caught.value.status_code, error["reason"], error["param"]


def completed(sdk: SDK, suite_id: str, **wanted: Any) -> str:
    """Id of a run that completed."""
    made = sdk.llm.evals.create_run(suite_id=suite_id, **wanted)
    assert wait(sdk, made.id).status == "completed"
    return made.id


def trial(task_id: str = "a", **changes: Any) -> Any:
    return {"task_id": task_id, **changes}


# --- overview


@pytest.mark.timeout(120)
def test_a_runs_overview_adds_up_its_samples(sdk: SDK, suite_id: str) -> None:
    run_id = completed(sdk, suite_id, models=["adder", "chat"])

    overview = sdk.llm.evals.get_run_overview(run_id=run_id, metric="score")

    assert overview.object == "eval.run.overview"
    assert (overview.run_id, overview.suite_id) == (run_id, suite_id)
    assert (overview.status, overview.models) == ("completed", ["adder", "chat"])
    assert (overview.metric, overview.avg_reward) == ("score", 1.0)
    trials = overview.trials
    assert (trials.total, trials.completed, trials.failed) == (8, 8, 0)
    assert (trials.errored, trials.retried) == (0, 0)
    assert (overview.agent_name, overview.cost_usd) == (None, None)
    run = sdk.llm.evals.get_run(run_id=run_id)
    assert overview.tokens.model_dump() == run.tokens.model_dump()
    assert overview.tokens.input is not None


@pytest.mark.timeout(120)
def test_a_metric_that_no_sample_has_has_no_mean(sdk: SDK, suite_id: str) -> None:
    run_id = completed(sdk, suite_id, models=["adder"])

    overview = sdk.llm.evals.get_run_overview(run_id=run_id)

    assert (overview.metric, overview.avg_reward) == ("reward", None)


@pytest.mark.timeout(120)
def test_samples_that_were_rerun_are_told_apart(sdk: SDK, suite_id: str) -> None:
    # The first call of each prompt is refused, and both tasks have the same prompts.
    settings = {"max_retries": 0}
    run_id = completed(
        sdk, suite_id, models=["moody"], task_ids=["a"], generation=settings, concurrency=1
    )
    before = sdk.llm.evals.get_run_overview(run_id=run_id, metric="score").trials
    sdk.llm.evals.rerun_failed_samples(run_id=run_id)
    wait(sdk, run_id)

    after = sdk.llm.evals.get_run_overview(run_id=run_id, metric="score").trials

    assert before.failed > 0
    assert (before.failed, before.retried) == (before.errored, 0)
    assert (after.failed, after.errored, after.retried) == (0, 0, before.failed)


def test_refusals_of_overviews_name_what_is_wrong(sdk: SDK) -> None:
    overview = sdk.llm.evals.get_run_overview

    assert refused(overview, run_id=NO_RUN) == (404, "run_not_found", None)
    assert refused(overview, run_id="run") == (404, "run_not_found", None)
    long = refused(overview, run_id=NO_RUN, metric="m" * 256)
    assert long == (400, "invalid_parameter", "metric")
    assert refused(overview, run_id=NO_RUN, metric="")[::2] == (400, "metric")


# --- leaderboard-runs


@pytest.mark.timeout(180)
def test_runs_rank_by_model_and_those_of_some_tasks_by_task(sdk: SDK, suite_id: str) -> None:
    both = completed(sdk, suite_id, models=["adder", "chat"])
    only_b = completed(sdk, suite_id, models=["adder"], task_ids=["b"])
    newest = completed(sdk, suite_id, models=["adder"])

    answer = sdk.llm.evals.list_suite_leaderboard_runs(suite_id=suite_id)

    assert answer.object == "eval.leaderboard_runs"
    assert [(g.model, g.task_id, g.rank, g.run_id) for g in answer.groups] == [
        ("adder", None, 1, newest),
        ("adder", None, 2, both),
        ("adder", "b", 1, only_b),
        ("chat", None, 1, both),
    ]
    assert {run.id for run in answer.data} == {both, only_b, newest}
    created = [run.created_at for run in answer.data]
    assert created == sorted(created, reverse=True)
    assert (answer.truncated, answer.next_cursor) == (False, None)
    assert answer.data[0].metrics is not None

    def ranked(**wanted: Any) -> list[tuple[str, int]]:
        told = sdk.llm.evals.list_suite_leaderboard_runs(suite_id=suite_id, **wanted)
        return [(group.run_id, group.rank) for group in told.groups]

    assert ranked(per_group=1) == [(newest, 1), (only_b, 1), (both, 1)]
    assert ranked(model="chat") == [(both, 1)]
    assert ranked(model="none") == []
    assert ranked(suite_version=2) == []
    assert len(ranked(suite_version=1, per_group=50)) == 4


def test_refusals_of_rankings_name_what_is_wrong(sdk: SDK, suite_id: str) -> None:
    ranking = sdk.llm.evals.list_suite_leaderboard_runs

    assert refused(ranking, suite_id=NO_SUITE) == (404, "suite_not_found", None)
    assert refused(ranking, suite_id="suite") == (404, "suite_not_found", None)
    for wrong in ({"per_group": 0}, {"per_group": 51}, {"suite_version": 0}):
        told = refused(ranking, suite_id=suite_id, **wrong)
        assert told == (400, "invalid_parameter", next(iter(wrong)))
    told = refused(ranking, suite_id=suite_id, cursor="none of ours")
    assert told == (400, "invalid_cursor", "cursor")
    too_long = refused(ranking, suite_id=suite_id, cursor="x" * 2049)
    assert too_long == (400, "invalid_parameter", "cursor")


# --- leaderboard of agents


@dataclass(frozen=True, slots=True)
class AgentRuns:
    """Runs on one suite: two of `ada`, one of `bob`; one more of `ada` is not finished."""

    suite_id: str
    first: str
    second: str
    of_bob: str


@pytest.fixture
def agent_runs(sdk: SDK, suite_id: str) -> AgentRuns:
    evals = sdk.llm.evals
    phase = {"started_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:01:00Z"}
    solved: Json = {"scores": {"reward": 1.0}, "cost_usd": 0.25, "input_tokens": 10}
    ada: Json = {"suite_id": suite_id, "agent_name": "ada", "model": "adder"}
    first = evals.import_agent_run(
        **ada,
        agent_version="1",
        agent_effort="high",
        created_at=1_790_000_000,
        trials=[
            trial("a", phase_timings={"agent_execution": phase}, **solved),
            trial("b", scores={"reward": 0.0}, status="failed"),
        ],
    )
    second = evals.import_agent_run(
        **ada,
        agent_version="2",
        agent_effort="high",
        created_at=1_790_000_100,
        trials=[trial("a", error={"code": "agent_timeout"}, **solved)],
    )
    of_bob = evals.import_agent_run(
        suite_id=suite_id, agent_name="bob", model="adder", cost_usd=3.0, trials=[trial("a")]
    )
    evals.import_agent_run(**ada, finalize=False)
    evals.upload_sample_trajectory(
        run_id=first.id, sample_index=0, task_id="a", steps=[{"n": 1}, {"n": 2}]
    )
    return AgentRuns(suite_id, first.id, second.id, of_bob.id)


def test_agents_rank_by_what_their_trials_reached(sdk: SDK, agent_runs: AgentRuns) -> None:
    board = sdk.llm.evals.get_suite_leaderboard(suite_id=agent_runs.suite_id)

    assert (board.object, board.suite_id) == ("eval.leaderboard", agent_runs.suite_id)
    assert (board.suite_version, board.metric) == (None, "reward")
    ada, bob = board.data
    assert (ada.agent_name, ada.agent_version, ada.agent_effort) == ("ada", "2", "high")
    assert (ada.trials, ada.scored_trials, ada.failed_trials, ada.solved_trials) == (3, 3, 1, 2)
    assert ada.accuracy == pytest.approx(2 / 3)
    assert ada.accuracy_ci is not None
    assert ada.accuracy_ci.margin == pytest.approx(1.96 * (2 / 9 / 3) ** 0.5)
    assert ada.accuracy_ci.low == pytest.approx(2 / 3 - ada.accuracy_ci.margin)
    assert ada.accuracy_ci.high == 1.0
    assert (ada.cost_usd, ada.input_tokens, ada.output_tokens) == (0.5, 20, None)
    assert (ada.steps, ada.agent_seconds, ada.timed_trials) == (2, 60.0, 1)
    assert (ada.run_count, ada.run_ids) == (2, [agent_runs.first, agent_runs.second])
    assert ada.last_run_at == 1_790_000_100
    assert (bob.accuracy, bob.accuracy_ci, bob.steps) == (None, None, None)
    assert (bob.cost_usd, bob.run_ids, bob.agent_effort) == (3.0, [agent_runs.of_bob], None)


def test_a_board_is_narrowed_by_each_of_its_filters(sdk: SDK, agent_runs: AgentRuns) -> None:
    def rows(**wanted: Any) -> list[str]:
        told = sdk.llm.evals.get_suite_leaderboard(suite_id=agent_runs.suite_id, **wanted)
        return [row.agent_name for row in told.data]

    assert rows(limit=1) == ["ada"]
    assert rows(agent="bob") == ["bob"]
    assert rows(model="other") == []
    assert rows(suite_version=1) == ["ada", "bob"]
    assert rows(suite_version=2) == []
    assert rows(metric="none") == ["ada", "bob"]


def test_an_agents_run_has_an_overview(sdk: SDK, agent_runs: AgentRuns) -> None:
    overview = sdk.llm.evals.get_run_overview(run_id=agent_runs.second)

    assert (overview.agent_name, overview.agent_version) == ("ada", "2")
    assert (overview.avg_reward, overview.cost_usd) == (1.0, 0.25)
    assert (overview.trials.failed, overview.trials.errored) == (0, 1)


def test_runs_of_models_are_on_no_board_of_agents(sdk: SDK, suite_id: str) -> None:
    completed(sdk, suite_id, models=["adder"])

    assert sdk.llm.evals.get_suite_leaderboard(suite_id=suite_id, metric="score").data == []


def test_refusals_of_boards_name_what_is_wrong(sdk: SDK, suite_id: str) -> None:
    board = sdk.llm.evals.get_suite_leaderboard

    assert refused(board, suite_id=NO_SUITE) == (404, "suite_not_found", None)
    for wrong in (
        {"limit": 0},
        {"limit": 501},
        {"suite_version": 2**31},
        {"agent": "x" * 256},
        {"model": "x" * 256},
    ):
        told = refused(board, suite_id=suite_id, **wrong)
        assert told == (400, "invalid_parameter", next(iter(wrong)))


# --- measured tokens


def test_tokens_are_measured_until_no_run_is_left(sdk: SDK, suite_id: str) -> None:
    evals = sdk.llm.evals
    texts = {"prompt": "What is 1 + 1?", "output_text": "hello world"}
    runs = [
        evals.import_agent_run(
            suite_id=suite_id,
            agent_name="ada",
            model="adder",
            created_at=1_790_000_000 + number,
            trials=[trial("a", **texts), trial("b", output_text="told", output_tokens=5)],
        )
        for number in range(3)
    ]

    first = evals.measure_suite_tokens(suite_id=suite_id, limit=2)
    untouched = evals.get_run(run_id=runs[2].id)
    second = evals.measure_suite_tokens(suite_id=suite_id)
    third = evals.measure_suite_tokens(suite_id=suite_id)

    assert (first.object, first.suite_id) == ("eval.suite.token_measurement", suite_id)
    assert (first.measured_runs, first.measured_samples, first.remaining_runs) == (2, 2, 1)
    assert untouched.tokens.output == 5
    assert (second.measured_runs, second.measured_samples, second.remaining_runs) == (1, 1, 0)
    assert (third.measured_runs, third.measured_samples, third.remaining_runs) == (0, 0, 0)
    run = evals.get_run(run_id=runs[0].id)
    assert (run.tokens.input, run.tokens.output, run.tokens.reasoning) == (8, 7, None)
    assert run.metrics is not None
    assert run.metrics["by_task"]["a"]["adder"]["tokens"] == {
        "input": 8,
        "output": 2,
        "cached": None,
        "reasoning": None,
        "estimated": True,
    }
    assert run.metrics["by_task"]["b"]["adder"]["tokens"]["estimated"] is False
    measured, reported = evals.list_samples(run_id=run.id).data
    assert (measured.input_tokens, measured.output_tokens, measured.tokens_estimated) == (
        *(8, 2),
        True,
    )
    assert (reported.output_tokens, reported.tokens_estimated) == (5, False)
    board = evals.get_suite_leaderboard(suite_id=suite_id)
    assert (board.data[0].input_tokens, board.data[0].output_tokens) == (24, 21)


def test_refusals_of_measurements_name_what_is_wrong(sdk: SDK, suite_id: str) -> None:
    measure = sdk.llm.evals.measure_suite_tokens

    assert refused(measure, suite_id=NO_SUITE) == (404, "suite_not_found", None)
    for limit in (0, 101):
        told = refused(measure, suite_id=suite_id, limit=limit)
        assert told[::2] == (400, "limit")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ('{"limit": "5"}', "limit"),
        ('{"limit": 1e400}', "limit"),
        ('{"limits": 5}', "limits"),
        ("[]", None),
        ('{"limit": 1, "limit": 2}', "limit"),
    ],
)
def test_a_body_of_another_shape_is_refused(team: Team, body: str, param: str | None) -> None:
    answer = team.http.post(
        f"/api/v1/llm/evals/suites/eval_suite_{new_id('x')[-32:]}/tokens/measure",
        content=body,
        headers={"content-type": "application/json"},
    )

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json()["error"]["param"] == param
