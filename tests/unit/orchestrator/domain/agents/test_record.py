from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.agents.record import AgentRunDraft, time_problems
from orchestrator.domain.run import Agent
from unit.orchestrator.domain.agents.test_trial import TRIAL

NOW = datetime(2026, 9, 21, tzinfo=UTC)
DRAFT = AgentRunDraft(
    suite_id="eval_suite_1",
    suite_version=None,
    agent=Agent(name="omp"),
    model="m",
    cost_usd=None,
    created_at=NOW,
    metadata={"a": "1", "b": "2"},
    idempotency_key="key",
    trials=[replace(TRIAL, error_json=b'{"type":"X"}')],
    expected_trials=None,
    finalize=True,
)


def test_a_draft_that_asks_for_the_same_has_the_same_digest() -> None:
    again = replace(DRAFT, metadata={"b": "2", "a": "1"}, trials=tuple(DRAFT.trials))

    assert again.sha256() == DRAFT.sha256()


@pytest.mark.parametrize(
    "change",
    [
        {"agent": Agent(name="omp", effort="high")},
        {"model": "n"},
        {"suite_version": 1},
        {"created_at": None},
        {"cost_usd": 0.0},
        {"metadata": {}},
        {"trials": []},
        {"trials": [replace(TRIAL, scores={"reward": 0.0}, error_json=b'{"type":"X"}')]},
        {"expected_trials": 1},
        {"finalize": False},
    ],
    ids=str,
)
def test_whatever_is_asked_for_otherwise_changes_the_digest(change: dict[str, object]) -> None:
    assert replace(DRAFT, **change).sha256() != DRAFT.sha256()  # type: ignore[arg-type]


def test_only_what_is_to_come_has_not_happened() -> None:
    assert not list(time_problems(None, NOW))
    assert not list(time_problems(NOW - timedelta(days=9_000), NOW))
    assert not list(time_problems(NOW + timedelta(minutes=4), NOW))
    (found,) = time_problems(NOW + timedelta(minutes=6), NOW)
    assert (found.path, found.reason) == ("created_at", "INVALID_CREATED_AT")
