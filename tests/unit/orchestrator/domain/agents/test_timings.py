from typing import Any

import orjson
import pytest

from orchestrator.domain.agents.timings import agent_seconds


def timing(began: Any, ended: Any) -> dict[str, Any]:
    return {"agent_execution": {"started_at": began, "finished_at": ended}}


@pytest.mark.parametrize(
    ("timings", "seconds"),
    [
        (timing("2026-01-01T00:00:00Z", "2026-01-01T00:01:30.5Z"), 90.5),
        (timing("2026-01-01T00:00:00+00:00", "2026-01-01T01:00:00+01:00"), 0.0),
        (timing("2026-01-01T00:00:00.123456", "2026-01-01T00:00:01.123456"), 1.0),
        ({"environment_setup": timing(1, 2)["agent_execution"]}, None),
        (timing("2026-01-01T00:00:02Z", "2026-01-01T00:00:01Z"), None),
        (timing("2026-01-01T00:00:02Z", None), None),
        (timing("now", "tomorrow"), None),
        (timing("-infinity", "infinity"), None),
        (timing("2026-13-45T00:00:00Z", "2026-01-01T00:00:01Z"), None),
        (timing(5, [1]), None),
        ({"agent_execution": "2026-01-01T00:00:00Z"}, None),
        ({"agent_execution": [1]}, None),
        (timing("\0", "\0"), None),
        (timing("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"), None),
        ({}, None),
    ],
)
def test_the_agents_time_is_that_of_its_phase_if_it_is_one(
    timings: Any, seconds: float | None
) -> None:
    assert agent_seconds(orjson.dumps(timings)) == seconds


def test_a_trial_without_timings_has_no_agents_time() -> None:
    assert agent_seconds(b"") is None
