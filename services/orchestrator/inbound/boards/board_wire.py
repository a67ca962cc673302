"""Overviews and leaderboards as messages."""

from orchestrator.domain.boards.agents import BoardRow
from orchestrator.domain.boards.overview import Overview
from orchestrator.domain.boards.ranking import Place
from orchestrator.domain.metrics import mean_of
from orchestrator.inbound.wire import stamp_from, usage_from
from proctor.boards.v1 import board_service_pb2 as pb
from proctor.runs.v1 import run_pb2


def overview_from(overview: Overview) -> pb.GetRunOverviewResponse:
    """Make the message of a run's overview."""
    run, counts, agent = overview.run, overview.counts, overview.run.agent
    mean, _ = mean_of(overview.scores)
    return pb.GetRunOverviewResponse(
        suite_id=run.suite_id,
        state=run_pb2.RunState.Value(f"RUN_STATE_{run.state.name}"),
        agent_name=agent.name if agent else None,
        agent_version=agent.version if agent else None,
        agent_effort=agent.effort if agent else None,
        models=run.request.models,
        mean=mean,
        total=counts.total,
        completed=counts.completed,
        failed=counts.failed,
        errored=counts.errored,
        retried=counts.retried,
        cost_usd=overview.cost_usd,
        tokens=usage_from(overview.tokens),
    )


def place_from(place: Place) -> pb.LeaderboardPlace:
    """Make the message of a run's place."""
    return pb.LeaderboardPlace(
        model=place.model, task_id=place.task_id, rank=place.rank, run_id=place.run_id
    )


def row_from(row: BoardRow) -> pb.LeaderboardRow:
    """Make the message of a row."""
    interval = row.interval
    return pb.LeaderboardRow(
        agent_name=row.agent_name,
        agent_version=row.agent_version,
        agent_effort=row.agent_effort,
        model=row.model,
        accuracy=row.accuracy,
        accuracy_low=interval.low if interval else None,
        accuracy_high=interval.high if interval else None,
        accuracy_margin=interval.margin if interval else None,
        trials=row.trials,
        scored_trials=row.scored,
        failed_trials=row.failed,
        solved_trials=row.solved,
        cost_usd=row.cost_usd,
        tokens=usage_from(row.tokens),
        steps=row.steps,
        agent_seconds=row.agent_s,
        timed_trials=row.timed,
        run_ids=row.run_ids,
        last_run_time=stamp_from(row.last_run_at),
    )
