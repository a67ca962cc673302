"""Schedules as messages."""

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from orchestrator.domain.schedules.firing import OverlapPolicy
from orchestrator.domain.schedules.schedule import Schedule, ScheduleFilter, ScheduleWishes
from orchestrator.inbound.wire import stamp_from
from proctor.runs.v1 import run_pb2
from proctor.schedules.v1 import schedule_pb2, schedule_service_pb2
from servicekit.errors import Kind, ServiceError

_POLICY_PREFIX = "OVERLAP_POLICY_"
_STATE_PREFIX = "RUN_STATE_"
_NO_STATE = "RUN_STATE_UNSPECIFIED"
_DEFAULT_TIMEZONE = "UTC"

# Name on the wire: name of the wish.
_WISH_OF = {
    "name": "name",
    "description": "description",
    "suite_version": "suite_version",
    "cron": "cron",
    "interval_seconds": "interval_seconds",
    "timezone": "timezone",
    "overlap_policy": "overlap_policy",
    "enabled": "enabled",
    "webhook_url": "webhook_url",
    "webhook_secret": "webhook_secret",
    "run_json": "run_json",
    "metadata": "metadata",
}


class UnknownMask(ServiceError):
    """The mask names what a schedule does not have."""

    kind = Kind.INVALID_ARGUMENT
    reason = "UNKNOWN_FIELD"


def schedule_from(schedule: Schedule) -> schedule_pb2.Schedule:
    """Make the message of a schedule, without its secret."""
    wishes, state, error = schedule.wishes, schedule.last_run_state, schedule.last_error
    return schedule_pb2.Schedule(
        schedule_id=schedule.id,
        suite_id=schedule.suite_id,
        fields=_fields_from(wishes),
        has_webhook_secret=wishes.webhook_secret is not None,
        last_run_id=schedule.last_run_id,
        last_run_time=stamp_from(schedule.last_run_at),
        last_run_state=run_pb2.RunState.Value(_STATE_PREFIX + state.name if state else _NO_STATE),
        last_error=schedule_pb2.FireFailure(code=error.code, message=error.message)
        if error
        else None,
        next_run_time=stamp_from(schedule.next_run_at),
        create_time=stamp_from(schedule.created_at),
        update_time=stamp_from(schedule.updated_at),
    )


def wishes_from(fields: schedule_pb2.ScheduleFields) -> ScheduleWishes:
    """Read what a new schedule is to be."""
    wishes = {wish: _value(fields, name) for name, wish in _WISH_OF.items()}
    defaults = {
        "name": "",
        "timezone": _DEFAULT_TIMEZONE,
        "overlap_policy": OverlapPolicy.SKIP,
        "enabled": True,
    }
    given = {wish: value for wish, value in wishes.items() if value is not None}
    return ScheduleWishes(**{**wishes, **defaults, **given})


def changes_from(fields: schedule_pb2.ScheduleFields, mask: FieldMask) -> dict[str, Any]:
    """Read what is to change, as arguments of ScheduleWishes; a cleared field is its default."""
    unknown = [path for path in mask.paths if path not in _WISH_OF]
    if unknown:
        raise UnknownMask(f"a schedule has no field {unknown[0]}", field=unknown[0])
    empty = schedule_pb2.ScheduleFields()
    cleared = wishes_from(empty)
    return {
        _WISH_OF[path]: _value(fields, path)
        if _value(fields, path) is not None
        else getattr(cleared, _WISH_OF[path])
        for path in mask.paths
    }


def filter_from(request: schedule_service_pb2.ListSchedulesRequest) -> ScheduleFilter:
    """Read which schedules are wanted."""
    enabled = request.enabled if request.HasField("enabled") else None
    return ScheduleFilter(suite_id=request.suite_id, enabled=enabled)


def _value(fields: schedule_pb2.ScheduleFields, name: str) -> Any:
    """Return what a field says, None for nothing."""
    if name == "run_json":
        return fields.run_json
    if name == "metadata":
        return dict(fields.metadata.labels)
    if not fields.HasField(name):  # type: ignore[arg-type] # the stub lists the names
        return None
    if name == "overlap_policy":
        word = schedule_pb2.OverlapPolicy.Name(fields.overlap_policy)
        return OverlapPolicy(word.removeprefix(_POLICY_PREFIX).lower())
    return getattr(fields, name)


def _fields_from(wishes: ScheduleWishes) -> schedule_pb2.ScheduleFields:
    policy = _POLICY_PREFIX + wishes.overlap_policy.name
    return schedule_pb2.ScheduleFields(
        name=wishes.name,
        description=wishes.description,
        suite_version=wishes.suite_version,
        cron=wishes.cron,
        interval_seconds=wishes.interval_seconds,
        timezone=wishes.timezone,
        overlap_policy=schedule_pb2.OverlapPolicy.Value(policy),
        enabled=wishes.enabled,
        webhook_url=wishes.webhook_url,
        run_json=wishes.run_json,
        metadata=schedule_pb2.Labels(labels=wishes.metadata),
    )
