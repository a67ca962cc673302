from typing import Any

import orjson
import pytest

from integration.orchestrator.outbound.postgres.stores import opened
from orchestrator.outbound.postgres.messages import EVENT_BYTES_MAX


async def queued_event(dsn: str, **changes: Any) -> tuple[int, dict[str, Any]]:
    """Size and body of the event of a new run."""
    async with opened(dsn) as stores:
        await stores.add_run(**changes)
        (body,) = await stores.messages("proctor.events.run.queued")
    return len(body), orjson.loads(body)


async def test_an_event_has_its_counts_even_when_they_are_zero(postgres_dsn: str) -> None:
    _, event = await queued_event(postgres_dsn, metadata={"k": "v"})

    assert event["run"]["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert event["run"]["state"] == "RUN_STATE_QUEUED"
    assert event["run"]["metadata"] == {"k": "v"}
    assert event["generation"] == {}
    assert not {"generation_json", "metrics_json", "error"} & event["run"].keys()
    assert "metrics" not in event


@pytest.mark.parametrize(
    ("large", "left_out"),
    [
        ({"metadata": {"k": "x" * EVENT_BYTES_MAX}}, {"metadata"}),
        ({"models": ["x" * EVENT_BYTES_MAX]}, {"metadata", "models", "task_ids"}),
        ({"task_ids": ["x" * EVENT_BYTES_MAX]}, {"metadata", "models", "task_ids"}),
        ({"generation_json": b'{"stop": "%s"}' % (b"x" * EVENT_BYTES_MAX)}, set()),
    ],
)
async def test_an_event_leaves_out_what_would_make_it_too_large(
    postgres_dsn: str, large: dict[str, Any], left_out: set[str]
) -> None:
    size, event = await queued_event(postgres_dsn, **large)

    assert size <= EVENT_BYTES_MAX
    assert "generation" not in event
    assert {"metadata", "models", "task_ids"} - event["run"].keys() == left_out
    assert event["run"]["request_counts"]["total"] == 0


async def test_an_event_is_bounded_whatever_its_run_holds(postgres_dsn: str) -> None:
    size, event = await queued_event(postgres_dsn, judge_model="x" * EVENT_BYTES_MAX)

    assert size <= EVENT_BYTES_MAX
    assert event["run"]["run_id"].startswith("eval_run_")
    assert event["run"]["state"] == "RUN_STATE_QUEUED"
