"""Schedule objects."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from gateway.inbound.resources.resource import (
    Identified,
    Page,
    Resource,
    object_of,
    seconds,
    seconds_if_set,
    text_if_set,
)
from gateway.inbound.resources.runs import RunStatus
from proctor.runs.v1 import run_pb2
from proctor.schedules.v1 import schedule_pb2

_POLICY_PREFIX = "OVERLAP_POLICY_"
_STATE_PREFIX = "RUN_STATE_"


class OverlapPolicy(StrEnum):
    """What happens when a schedule is due while a run of it is unfinished."""

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    ALLOW_ALL = "allow_all"


class FireFailureObject(Resource):
    """Why a fire started no run."""

    code: str = Field(description="Stable word for programs.")
    message: str


class ScheduleObject(Identified):
    """Runs of a suite that start by the clock."""

    object: Literal["eval.schedule"] = "eval.schedule"
    name: str
    description: str | None
    suite_id: str
    suite_version: int | None = Field(description="Null: the version that is active at each fire.")
    cron: str | None
    interval_seconds: int | None
    timezone: str
    overlap_policy: OverlapPolicy
    enabled: bool
    webhook_url: str | None
    webhook_configured: bool = Field(description="A secret is stored; it is never shown.")
    run: dict[str, Any]
    metadata: dict[str, str]
    last_run_id: str | None = Field(
        description="The run that the last fire started; null when it started none."
    )
    last_run_at: int | None = Field(description="When the last fire was, in Unix seconds.")
    last_run_status: RunStatus | None = Field(
        description="Where that run is now; `failed` when the fire started none."
    )
    last_error: FireFailureObject | None = Field(
        description="Why the last fire started no run; null when it started one."
    )
    next_run_at: int | None = Field(description="Unix seconds; null while it is disabled.")
    created_at: int = Field(description="Unix seconds.")
    updated_at: int = Field(description="Unix seconds; moves when its owner changes it.")


class ScheduleList(Page[ScheduleObject]):
    """One page of schedules."""


class ScheduleDeleted(Identified):
    """A schedule that is gone; its runs are not."""

    object: Literal["eval.schedule.deleted"] = "eval.schedule.deleted"
    deleted: Literal[True] = True


def schedule_object(schedule: schedule_pb2.Schedule) -> ScheduleObject:
    """The REST object of a schedule."""
    fields = schedule.fields
    policy = schedule_pb2.OverlapPolicy.Name(fields.overlap_policy)
    return ScheduleObject(
        id=schedule.schedule_id,
        name=fields.name,
        description=text_if_set(fields, "description"),
        suite_id=schedule.suite_id,
        suite_version=fields.suite_version if fields.HasField("suite_version") else None,
        cron=text_if_set(fields, "cron"),
        interval_seconds=fields.interval_seconds if fields.HasField("interval_seconds") else None,
        timezone=fields.timezone,
        overlap_policy=OverlapPolicy(policy.removeprefix(_POLICY_PREFIX).lower()),
        enabled=fields.enabled,
        webhook_url=text_if_set(fields, "webhook_url"),
        webhook_configured=schedule.has_webhook_secret,
        run=object_of(fields.run_json),
        metadata=dict(fields.metadata.labels),
        last_run_id=text_if_set(schedule, "last_run_id"),
        last_run_at=seconds_if_set(schedule, "last_run_time"),
        last_run_status=_last_status(schedule),
        last_error=_last_error(schedule),
        next_run_at=seconds_if_set(schedule, "next_run_time"),
        created_at=seconds(schedule.create_time),
        updated_at=seconds(schedule.update_time),
    )


def overlap_policy(policy: OverlapPolicy) -> "schedule_pb2.OverlapPolicy.ValueType":
    """The wire's word for a policy."""
    return schedule_pb2.OverlapPolicy.Value(f"{_POLICY_PREFIX}{policy.name}")


def _last_status(schedule: schedule_pb2.Schedule) -> RunStatus | None:
    if schedule.HasField("last_error"):
        return RunStatus.FAILED
    if schedule.last_run_state == run_pb2.RUN_STATE_UNSPECIFIED:
        return None
    name = run_pb2.RunState.Name(schedule.last_run_state)
    return RunStatus(name.removeprefix(_STATE_PREFIX).lower())


def _last_error(schedule: schedule_pb2.Schedule) -> FireFailureObject | None:
    if not schedule.HasField("last_error"):
        return None
    error = schedule.last_error
    return FireFailureObject(code=error.code, message=error.message)
