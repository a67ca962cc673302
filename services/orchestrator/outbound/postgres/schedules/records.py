"""A schedule as it is read from its row, and as it is written."""

from collections.abc import Mapping
from typing import Any

import orjson

from orchestrator.domain.run_states import RunState
from orchestrator.domain.schedules.firing import OverlapPolicy
from orchestrator.domain.schedules.schedule import (
    FireFailure,
    Owner,
    Schedule,
    ScheduleWishes,
)

SCHEDULE_SELECT = """
SELECT s.schedule_id, s.org_id, s.team_id, s.key_id, s.on_behalf_of, s.granted, s.name,
       s.description, s.suite_id, s.suite_version, s.cron, s.interval_seconds, s.timezone,
       s.overlap_policy, s.enabled, s.webhook_url, s.webhook_secret, s.run, s.metadata, s.revision,
       s.counted_from, s.next_run_at, s.buffered, s.last_run_id, s.last_run_at, s.last_error_code,
       s.last_error_message, s.created_at, s.updated_at, r.state AS last_run_state
FROM schedules s LEFT JOIN runs r ON r.run_id = s.last_run_id
"""


def schedule_from(record: Mapping[str, Any]) -> Schedule:
    """Make a schedule of a record of SCHEDULE_SELECT."""
    state = record["last_run_state"]
    return Schedule(
        id=record["schedule_id"],
        suite_id=record["suite_id"],
        owner=Owner(
            org_id=record["org_id"],
            team_id=record["team_id"],
            key_id=record["key_id"],
            on_behalf_of=record["on_behalf_of"],
            grant=record["granted"],
        ),
        wishes=_wishes(record),
        revision=record["revision"],
        counted_from=record["counted_from"],
        next_run_at=record["next_run_at"],
        buffered=record["buffered"],
        last_run_id=record["last_run_id"],
        last_run_at=record["last_run_at"],
        last_run_state=None if state is None else RunState(state),
        last_error=_error(record),
        created_at=record["created_at"],
        updated_at=record["updated_at"],
    )


def owned_columns(schedule: Schedule) -> dict[str, object]:
    """Return the columns that its owner decides."""
    wishes, owner = schedule.wishes, schedule.owner
    return {
        "key_id": owner.key_id,
        "on_behalf_of": owner.on_behalf_of,
        "granted": owner.grant,
        "name": wishes.name,
        "description": wishes.description,
        "suite_version": wishes.suite_version,
        "cron": wishes.cron,
        "interval_seconds": wishes.interval_seconds,
        "timezone": wishes.timezone,
        "overlap_policy": wishes.overlap_policy,
        "enabled": wishes.enabled,
        "webhook_url": wishes.webhook_url,
        "webhook_secret": wishes.webhook_secret,
        "run": wishes.run_json.decode(),
        "metadata": orjson.dumps(dict(wishes.metadata)).decode(),
        "updated_at": schedule.updated_at,
    }


def new_columns(schedule: Schedule) -> dict[str, object]:
    """Return all columns of a schedule that has not fired."""
    return {
        "schedule_id": schedule.id,
        "org_id": schedule.owner.org_id,
        "team_id": schedule.owner.team_id,
        "suite_id": schedule.suite_id,
        **owned_columns(schedule),
        "counted_from": schedule.counted_from,
        "next_run_at": schedule.next_run_at,
        "created_at": schedule.created_at,
    }


def _wishes(record: Mapping[str, Any]) -> ScheduleWishes:
    return ScheduleWishes(
        name=record["name"],
        description=record["description"],
        suite_version=record["suite_version"],
        cron=record["cron"],
        interval_seconds=record["interval_seconds"],
        timezone=record["timezone"],
        overlap_policy=OverlapPolicy(record["overlap_policy"]),
        enabled=record["enabled"],
        webhook_url=record["webhook_url"],
        webhook_secret=record["webhook_secret"],
        run_json=record["run"].encode(),
        metadata=orjson.loads(record["metadata"]),
    )


def _error(record: Mapping[str, Any]) -> FireFailure | None:
    if record["last_error_code"] is None:
        return None
    return FireFailure(record["last_error_code"], record["last_error_message"])
