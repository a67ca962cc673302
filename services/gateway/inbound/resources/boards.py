"""Overviews of runs, leaderboards, and measurements of tokens."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from gateway.domain.usage import ModelUsage
from gateway.inbound.resources.resource import Resource, seconds, text_if_set
from gateway.inbound.resources.runs import (
    RunObject,
    RunStatus,
    Tokens,
    count_if_reported,
    run_object,
    run_status,
    tokens_object,
)
from proctor.boards.v1 import board_service_pb2 as pb


class Trials(Resource):
    """How many samples a run has, and what became of them."""

    total: int
    completed: int
    failed: int
    errored: int = Field(description="With an `error`, which a completed sample may have, too.")
    retried: int = Field(description="Replaced by a rerun at least once.")


class RunOverview(Resource):
    """What the samples of one run add up to at the moment."""

    object: Literal["eval.run.overview"] = "eval.run.overview"
    run_id: str
    suite_id: str
    status: RunStatus
    agent_name: str | None
    agent_version: str | None
    agent_effort: str | None
    models: list[str]
    metric: str
    avg_reward: float | None = Field(
        description="Mean of `metric` over the samples that carry a number there."
    )
    trials: Trials
    cost_usd: float | None = Field(
        description="Sum over the samples, else what the run as a whole reported."
    )
    tokens: Tokens


class LeaderboardPlace(Resource):
    """A run's place in one group."""

    model: str
    task_id: str | None = Field(description="Null: the group of runs of every task.")
    rank: int = Field(description="1 is the group's newest run.")
    run_id: str


class LeaderboardRuns(Resource):
    """The newest completed runs of a suite, ranked within groups."""

    object: Literal["eval.leaderboard_runs"] = "eval.leaderboard_runs"
    data: list[RunObject] = Field(description="The runs behind `groups`, newest first.")
    groups: list[LeaderboardPlace] = Field(
        description="By model, then task with null first, then rank."
    )
    truncated: bool = Field(description="True: go on with `next_cursor` and unite the answers.")
    next_cursor: str | None


class AccuracyInterval(Resource):
    """95 % interval of a share, within 0 and 1; for metrics that are 0 or 1."""

    low: float
    high: float
    margin: float = Field(description="Half the width before it was cut to 0 and 1.")


class LeaderboardRow(Resource):
    """What one agent reached with one model and effort."""

    agent_name: str
    agent_version: str | None = Field(description="In the newest run.")
    agent_effort: str | None
    model: str
    accuracy: float | None = Field(description="Mean of the metric over the scored trials.")
    accuracy_ci: AccuracyInterval | None
    trials: int
    scored_trials: int = Field(description="Trials with a number for the metric.")
    failed_trials: int
    cost_usd: float | None
    solved_trials: int = Field(description="Trials whose metric is 1.")
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    steps: int | None = Field(description="Of the trajectories that were uploaded.")
    agent_seconds: float | None = Field(description="Time of the phase `agent_execution`.")
    timed_trials: int = Field(description="Trials behind `agent_seconds`.")
    run_count: int
    run_ids: list[str] = Field(description="Most trials first, ties newest first.")
    last_run_at: int = Field(description="When the newest run was created, Unix seconds.")


class Leaderboard(Resource):
    """The agents whose runs of a suite completed."""

    object: Literal["eval.leaderboard"] = "eval.leaderboard"
    suite_id: str
    suite_version: int | None
    metric: str
    data: list[LeaderboardRow] = Field(
        description="By accuracy, highest first and null last, then agent, model, effort."
    )


class TokenMeasurement(Resource):
    """What one call measured."""

    object: Literal["eval.suite.token_measurement"] = "eval.suite.token_measurement"
    suite_id: str
    measured_runs: int
    measured_samples: int
    remaining_runs: int = Field(description="Call again until this is 0.")


def run_overview(run_id: str, metric: str, overview: pb.GetRunOverviewResponse) -> RunOverview:
    """The REST object of a run's overview."""
    return RunOverview(
        run_id=run_id,
        suite_id=overview.suite_id,
        status=run_status(overview.state),
        agent_name=text_if_set(overview, "agent_name"),
        agent_version=text_if_set(overview, "agent_version"),
        agent_effort=text_if_set(overview, "agent_effort"),
        models=list(overview.models),
        metric=metric,
        avg_reward=overview.mean if overview.HasField("mean") else None,
        trials=Trials(
            total=overview.total,
            completed=overview.completed,
            failed=overview.failed,
            errored=overview.errored,
            retried=overview.retried,
        ),
        cost_usd=overview.cost_usd if overview.HasField("cost_usd") else None,
        tokens=tokens_object(overview.tokens),
    )


def leaderboard_runs(
    answer: pb.ListLeaderboardRunsResponse,
    grader_usage: Mapping[str, Mapping[str, ModelUsage]],
) -> LeaderboardRuns:
    """The REST object of a ranking; `grader_usage` is by run and model."""
    return LeaderboardRuns(
        data=[run_object(run, grader_usage.get(run.run_id, {})) for run in answer.runs],
        groups=[
            LeaderboardPlace(
                model=place.model,
                task_id=text_if_set(place, "task_id"),
                rank=place.rank,
                run_id=place.run_id,
            )
            for place in answer.places
        ],
        truncated=bool(answer.next_cursor),
        next_cursor=answer.next_cursor or None,
    )


def leaderboard_row(row: pb.LeaderboardRow) -> LeaderboardRow:
    """The REST object of a row."""
    return LeaderboardRow(
        agent_name=row.agent_name,
        agent_version=text_if_set(row, "agent_version"),
        agent_effort=text_if_set(row, "agent_effort"),
        model=row.model,
        accuracy=row.accuracy if row.HasField("accuracy") else None,
        accuracy_ci=_interval(row) if row.HasField("accuracy") else None,
        trials=row.trials,
        scored_trials=row.scored_trials,
        failed_trials=row.failed_trials,
        cost_usd=row.cost_usd if row.HasField("cost_usd") else None,
        solved_trials=row.solved_trials,
        input_tokens=count_if_reported(row.tokens, "input_tokens"),
        output_tokens=count_if_reported(row.tokens, "output_tokens"),
        cached_tokens=count_if_reported(row.tokens, "cached_tokens"),
        steps=row.steps if row.HasField("steps") else None,
        agent_seconds=row.agent_seconds if row.HasField("agent_seconds") else None,
        timed_trials=row.timed_trials,
        run_count=len(row.run_ids),
        run_ids=list(row.run_ids),
        last_run_at=seconds(row.last_run_time),
    )


def _interval(row: pb.LeaderboardRow) -> AccuracyInterval:
    return AccuracyInterval(
        low=row.accuracy_low, high=row.accuracy_high, margin=row.accuracy_margin
    )
