from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.boards.agents import AgentRun, Interval, board, interval_of
from orchestrator.domain.metrics import ScoreSum
from orchestrator.domain.tokens import NO_TOKENS, Tokens

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def run(number: int = 1, *, total: float = 0, scored: int = 0, **changes: Any) -> AgentRun:
    given_: dict[str, Any] = {
        "run_id": f"run_{number}",
        "created_at": NOON + timedelta(minutes=number),
        "agent_name": "ada",
        "agent_version": f"v{number}",
        "agent_effort": None,
        "model": "model",
        "trials": 1,
        "failed": 0,
        "solved": 0,
        "scores": ScoreSum(total=Fraction(total), count=scored),
        "cost_usd": None,
        "tokens": NO_TOKENS,
        "steps": None,
        "agent_s": None,
        "timed": 0,
    }
    return AgentRun(**given_ | changes)


def test_runs_of_one_agent_model_and_effort_are_one_row() -> None:
    first = run(
        1,
        total=1,
        scored=2,
        trials=4,
        failed=1,
        solved=1,
        cost_usd=0.5,
        steps=10,
        agent_s=2.5,
        timed=2,
        tokens=Tokens(input=5),
    )
    second = run(2, total=2, scored=2, trials=2, solved=2, tokens=Tokens(input=1, output=3))

    (row,) = board([first, second], limit=10)

    assert (row.agent_name, row.model, row.agent_effort) == ("ada", "model", None)
    assert (row.accuracy, row.trials, row.scored, row.failed, row.solved) == (0.75, 6, 4, 1, 3)
    assert (row.cost_usd, row.steps, row.agent_s, row.timed) == (0.5, 10, 2.5, 2)
    assert row.tokens == Tokens(input=6, output=3)
    assert row.last_run_at == second.created_at


def test_the_version_shown_is_that_of_the_newest_run() -> None:
    (row,) = board([run(1), run(3), run(2)], limit=10)

    assert row.agent_version == "v3"


def test_another_effort_or_model_or_agent_is_another_row() -> None:
    runs = [run(1), run(2, agent_effort=""), run(3, model="b"), run(4, agent_name="eve")]

    assert [row.run_ids for row in board(runs, limit=10)] == [
        ["run_3"],
        ["run_1"],
        ["run_2"],
        ["run_4"],
    ]


def test_runs_of_a_row_come_with_most_trials_first_and_ties_newest_first() -> None:
    runs = [run(1, trials=5), run(2, trials=1), run(3, trials=5), run(4, trials=2)]

    (row,) = board(runs, limit=10)

    assert row.run_ids == ["run_3", "run_1", "run_4", "run_2"]


def test_rows_come_by_accuracy_and_those_without_come_last() -> None:
    runs = [
        run(1, agent_name="none"),
        run(2, agent_name="low", total=0, scored=1),
        run(3, agent_name="high", total=1, scored=1),
        run(4, agent_name="also high", total=3, scored=3),
    ]

    rows = board(runs, limit=10)

    assert [row.agent_name for row in rows] == ["also high", "high", "low", "none"]
    assert rows[-1].accuracy is None
    assert rows[-1].interval is None
    assert [row.agent_name for row in board(runs, limit=2)] == ["also high", "high"]


@pytest.mark.parametrize(
    ("mean", "count", "interval"),
    [
        (0.5, 100, Interval(low=0.402, high=0.598, margin=0.098)),
        (1.0, 3, Interval(low=1.0, high=1.0, margin=0.0)),
        (0.0, 3, Interval(low=0.0, high=0.0, margin=0.0)),
        (0.9, 4, Interval(low=0.606, high=1.0, margin=0.294)),
        (7.0, 4, Interval(low=1.0, high=1.0, margin=0.0)),
        (-2.0, 4, Interval(low=0.0, high=0.0, margin=0.0)),
    ],
)
def test_the_interval_is_walds_cut_to_shares(mean: float, count: int, interval: Interval) -> None:
    found = interval_of(mean, count)

    assert found.low == pytest.approx(interval.low)
    assert found.high == pytest.approx(interval.high)
    assert found.margin == pytest.approx(interval.margin)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 10**9))
def test_no_mean_is_too_large_for_an_interval(mean: float, count: int) -> None:
    found = interval_of(mean, count)

    assert 0 <= found.low <= found.high <= 1
    assert found.margin >= 0


def test_a_sum_that_is_no_number_any_more_is_unknown() -> None:
    huge = [run(1, cost_usd=1.7e308), run(2, cost_usd=1.7e308)]

    (row,) = board(huge, limit=1)

    assert row.cost_usd is None


def test_scores_too_large_for_a_number_leave_no_accuracy() -> None:
    (row,) = board([run(1, scores=ScoreSum(total=Fraction(10**400), count=1))], limit=1)

    assert (row.accuracy, row.scored) == (None, 1)
