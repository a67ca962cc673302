"""The bodies of POST and PATCH on /evals/schedules."""

from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field

from gateway.inbound.resources.schedules import OverlapPolicy, overlap_policy
from gateway.inbound.rest.labels import Labels, label_problems
from gateway.inbound.run_body import Count, RunConfigBody
from manifest.problem import Problem
from manifest.section import RawObject, Section, WholeNumber, broken
from proctor.schedules.v1 import schedule_pb2

NAME_CHARS_MAX = 255
DESCRIPTION_CHARS_MAX = 10_000
CRON_CHARS_MAX = 255
TIMEZONE_CHARS_MAX = 64
INTERVAL_S_MIN = 60
INTERVAL_S_MAX = 366 * 24 * 3600
URL_CHARS_MAX = 2_048
SECRET_CHARS_MAX = 512


def _interval(value: int) -> int:
    if not INTERVAL_S_MIN <= value <= INTERVAL_S_MAX:
        predicate = f"must be {INTERVAL_S_MIN} to {INTERVAL_S_MAX}"
        raise broken(predicate, reason="INVALID_INTERVAL")
    return value


def _policy(value: str) -> str:
    if value not in list(OverlapPolicy):
        raise broken("must be skip, buffer_one or allow_all")
    return value


Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]
Description = Annotated[str, Field(max_length=DESCRIPTION_CHARS_MAX)]
Cron = Annotated[str, Field(min_length=1, max_length=CRON_CHARS_MAX)]
Interval = Annotated[
    WholeNumber,
    AfterValidator(_interval),
    Field(json_schema_extra={"minimum": INTERVAL_S_MIN, "maximum": INTERVAL_S_MAX}),
]
Timezone = Annotated[str, Field(min_length=1, max_length=TIMEZONE_CHARS_MAX)]
Policy = Annotated[
    str,
    AfterValidator(_policy),
    Field(json_schema_extra={"enum": [policy.value for policy in OverlapPolicy]}),
]
WebhookUrl = Annotated[str, Field(min_length=1, max_length=URL_CHARS_MAX)]
WebhookSecret = Annotated[str, Field(min_length=1, max_length=SECRET_CHARS_MAX)]

_CRON = "Five fields as Debian's cron reads them; exactly one of `cron` and `interval_seconds`."
_INTERVAL = "From fire to fire, counted from the creation or the last change of times."
_TIMEZONE = "IANA name; what `cron` is meant in."
_OVERLAP = "What happens when it is due while a run of it is unfinished."
_URL = "An https URL that is told when a run of the schedule has ended."
_SIGNED = "Key of the HMAC-SHA256 in `X-Webhook-Signature`; never shown. Needs `webhook_url`."


class ScheduleRunBody(RunConfigBody):
    """What each run of a schedule is to be."""


class CreateScheduleBody(Section):
    """A schedule to create."""

    name: Name
    suite_id: str = Field(min_length=1, max_length=255)
    run: ScheduleRunBody
    description: Description | None = None
    suite_version: Count | None = Field(
        default=None, description="Default: the version that is active at each fire."
    )
    cron: Cron | None = Field(default=None, description=_CRON)
    interval_seconds: Interval | None = Field(default=None, description=_INTERVAL)
    timezone: Timezone | None = Field(default="UTC", description=_TIMEZONE)
    overlap_policy: Policy | None = Field(default="skip", description=_OVERLAP)
    enabled: bool | None = Field(default=True, description="False: created paused.")
    webhook_url: WebhookUrl | None = Field(default=None, description=_URL)
    webhook_secret: WebhookSecret | None = Field(default=None, description=_SIGNED, repr=False)
    metadata: Labels = Field(default_factory=dict)

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterable[Problem]:
        """Limits of the labels."""
        return label_problems(raw)


class UpdateScheduleBody(Section):
    """What to change of a schedule; null clears what may be null, and is as good as left out else.

    `model_fields_set` has what was named.
    """

    name: Name | None = None
    description: Description | None = Field(default=None, description="Null: none.")
    suite_version: Count | None = Field(
        default=None, description="Null: the version that is active at each fire."
    )
    cron: Cron | None = Field(default=None, description=_CRON)
    interval_seconds: Interval | None = Field(default=None, description=_INTERVAL)
    timezone: Timezone | None = Field(default=None, description=_TIMEZONE)
    overlap_policy: Policy | None = Field(default=None, description=_OVERLAP)
    enabled: bool | None = None
    webhook_url: WebhookUrl | None = Field(
        default=None, description=f"{_URL} Null: nobody is told, and the secret goes as well."
    )
    webhook_secret: WebhookSecret | None = Field(default=None, description=_SIGNED, repr=False)
    run: ScheduleRunBody | None = None
    metadata: Labels | None = None

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterable[Problem]:
        """Limits of the labels."""
        return label_problems(raw)

    @classmethod
    def _known_part(cls, raw: RawObject) -> tuple[dict[str, object], list[Problem]]:
        known, problems = super()._known_part(raw)
        cleared = {name: None for name in _NULLABLE if name in raw and raw[name] is None}
        return {**known, **cleared}, problems


_NULLABLE = (
    *("description", "suite_version", "cron", "interval_seconds"),
    *("webhook_url", "webhook_secret"),
)


def fields_of(body: CreateScheduleBody | UpdateScheduleBody) -> schedule_pb2.ScheduleFields:
    """Return what a body says, as the orchestrator takes it."""
    given: dict[str, Any] = {
        name: getattr(body, name)
        for name in ("name", "timezone", "enabled", *_NULLABLE)
        if getattr(body, name) is not None
    }
    if body.overlap_policy is not None:
        given["overlap_policy"] = overlap_policy(OverlapPolicy(body.overlap_policy))
    if body.run is not None:
        given["run_json"] = orjson.dumps(body.run.model_dump(mode="json", exclude_unset=True))
    if body.metadata is not None:
        given["metadata"] = schedule_pb2.Labels(labels=body.metadata)
    return schedule_pb2.ScheduleFields(**given)


def mask_of(body: UpdateScheduleBody) -> list[str]:
    """Return the names of the orchestrator's fields that change."""
    return sorted("run_json" if name == "run" else name for name in body.model_fields_set)
