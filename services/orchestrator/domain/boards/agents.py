"""The leaderboard of agents: one row for each agent, model and effort.

Every figure is worked out from sums over samples, run by run, so that a rerun moves it.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from orchestrator.domain.metrics import ScoreSum, mean_of
from orchestrator.domain.tokens import Tokens, sum_tokens

# Of the standard normal distribution: 95 % lie within so many deviations.
_Z_95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFilter:
    """Which runs count; an unset field selects nothing away."""

    suite_version: int | None = None
    agent_name: str = ""
    model: str = ""
    metric: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRun:
    """What the samples of one model add up to in a completed run of an agent.

    Attributes:
        scores: Of the metric.
        solved: Samples whose metric is 1.
        cost_usd: Sum of what samples cost, else what the run as a whole reported.
        steps: Of all trajectories; None when there is none.
        agent_s: Time of the agent's own phase over the `timed` samples that have it.
    """

    run_id: str
    created_at: datetime
    agent_name: str
    agent_version: str | None
    agent_effort: str | None
    model: str
    trials: int
    failed: int
    solved: int
    scores: ScoreSum
    cost_usd: float | None
    tokens: Tokens
    steps: int | None
    agent_s: float | None
    timed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An interval of a mean within 0 and 1; `margin` is its half width before it was cut."""

    low: float
    high: float
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """What one agent reached with one model and effort.

    Attributes:
        run_ids: Most trials first, ties newest first.
        last_run_at: When the newest run was created; `agent_version` is that run's.
    """

    agent_name: str
    agent_version: str | None
    agent_effort: str | None
    model: str
    accuracy: float | None
    interval: Interval | None
    trials: int
    scored: int
    failed: int
    solved: int
    cost_usd: float | None
    tokens: Tokens
    steps: int | None
    agent_s: float | None
    timed: int
    run_ids: Sequence[str]
    last_run_at: datetime


def board(runs: Iterable[AgentRun], *, limit: int) -> list[BoardRow]:
    """Return at most `limit` rows, by accuracy: highest first, rows without one last.

    Ties go by agent, model and effort, no effort first.
    """
    members: dict[tuple[str, str, str | None], list[AgentRun]] = defaultdict(list)
    for run in runs:
        members[run.agent_name, run.model, run.agent_effort].append(run)
    rows = [_row(of_row) for of_row in members.values()]
    return sorted(rows, key=_place)[:limit]


def interval_of(mean: float, count: int) -> Interval:
    """Return the 95 % Wald interval of a share `mean` of `count` trials.

    Of a metric that is no share it says nothing; its variance is then taken as no less than 0.
    """
    margin = _Z_95 * math.sqrt(max(mean * (1 - mean), 0.0) / count)
    return Interval(low=_cut(mean - margin), high=_cut(mean + margin), margin=margin)


def _row(runs: Sequence[AgentRun]) -> BoardRow:
    newest = max(runs, key=lambda run: (run.created_at, run.run_id))
    largest_first = sorted(
        runs, key=lambda run: (run.trials, run.created_at, run.run_id), reverse=True
    )
    scores = ScoreSum(
        total=sum((run.scores.total for run in runs), Fraction()),
        count=sum(run.scores.count for run in runs),
    )
    accuracy, scored = mean_of(scores)
    steps = [run.steps for run in runs if run.steps is not None]
    return BoardRow(
        agent_name=newest.agent_name,
        agent_version=newest.agent_version,
        agent_effort=newest.agent_effort,
        model=newest.model,
        accuracy=accuracy,
        interval=None if accuracy is None else interval_of(accuracy, scored),
        trials=sum(run.trials for run in runs),
        scored=scored,
        failed=sum(run.failed for run in runs),
        solved=sum(run.solved for run in runs),
        cost_usd=_sum(run.cost_usd for run in runs),
        tokens=sum_tokens(run.tokens for run in runs),
        steps=sum(steps) if steps else None,
        agent_s=_sum(run.agent_s for run in runs),
        timed=sum(run.timed for run in runs),
        run_ids=[run.run_id for run in largest_first],
        last_run_at=newest.created_at,
    )


def _sum(parts: Iterable[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    try:
        return math.fsum(known)
    except OverflowError:
        return None


def _place(row: BoardRow) -> tuple[bool, float, str, str, bool, str]:
    effort = row.agent_effort
    accuracy = 0.0 if row.accuracy is None else -row.accuracy
    named = (row.agent_name, row.model, effort is not None, effort or "")
    return (row.accuracy is None, accuracy, *named)


def _cut(value: float) -> float:
    return min(max(value, 0.0), 1.0)
