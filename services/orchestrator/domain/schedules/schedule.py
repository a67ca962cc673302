"""Schedules: runs that start by the clock."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.domain import requests
from orchestrator.domain.run_states import RunState
from orchestrator.domain.schedules.cadence import Cadence, cadence_problems
from orchestrator.domain.schedules.firing import OverlapPolicy
from orchestrator.domain.text import NUL
from servicekit.errors import Kind, ServiceError, Violation

SCHEDULES_MAX = 1_000  # of a team
SECRET_CHARS_MAX = 512
URL_CHARS_MAX = 2_048


class ScheduleNotFound(ServiceError):
    """There is no such schedule in the caller's team."""

    kind = Kind.NOT_FOUND
    reason = "SCHEDULE_NOT_FOUND"

    def __init__(self, schedule_id: str) -> None:
        super().__init__(f"there is no schedule {schedule_id}", schedule_id=schedule_id)


class TooManySchedules(ServiceError):
    """The team has as many schedules as it may."""

    kind = Kind.FAILED_PRECONDITION
    reason = "TOO_MANY_SCHEDULES"

    def __init__(self) -> None:
        message = f"a team may have at most {SCHEDULES_MAX} schedules"
        super().__init__(message, schedules_max=SCHEDULES_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleWishes:
    """What the owner of a schedule says of it.

    Attributes:
        suite_version: None takes the version that is active at each fire.
        run_json: What each run is to be, a JSON object as the gateway checked it.
        webhook_secret: Shown nowhere.
    """

    name: str
    description: str | None
    suite_version: int | None
    cron: str | None
    interval_seconds: int | None
    timezone: str
    overlap_policy: OverlapPolicy
    enabled: bool
    webhook_url: str | None
    webhook_secret: str | None = field(repr=False)
    run_json: bytes
    metadata: Mapping[str, str]

    @property
    def cadence(self) -> Cadence:
        """When it is due."""
        return Cadence(
            cron=self.cron, interval_seconds=self.interval_seconds, timezone=self.timezone
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose key runs of a schedule are started with.

    Attributes:
        grant: The gateway's proof of it.
    """

    org_id: str
    team_id: str
    key_id: str
    on_behalf_of: str
    grant: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FireFailure:
    """Why a fire started no run: a stable lower_snake word and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule as it is stored.

    Attributes:
        revision: Goes up with each change that its owner makes.
        counted_from: Where its intervals begin.
        next_run_at: None while it is disabled.
        buffered: A start is remembered, for when no run of it is unfinished.
        last_run_id: The run that the last fire started; None when it started none.
        last_run_state: Where that run is now.
        last_error: Why the last fire started no run.
    """

    id: str
    suite_id: str
    owner: Owner
    wishes: ScheduleWishes
    revision: int
    counted_from: datetime
    next_run_at: datetime | None
    buffered: bool
    last_run_id: str | None
    last_run_at: datetime | None
    last_run_state: RunState | None
    last_error: FireFailure | None
    created_at: datetime
    updated_at: datetime

    def next_after(self, moment: datetime) -> datetime | None:
        """Return when it is due next after `moment`; None while it is disabled."""
        if not self.wishes.enabled:
            return None
        return self.wishes.cadence.after(moment, counted_from=self.counted_from)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFilter:
    """Which schedules; an unset field selects nothing away."""

    suite_id: str = ""
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where runs of a schedule are told of, and what signs it."""

    url: str | None
    secret: str | None = field(repr=False)


def wishes_problems(wishes: ScheduleWishes) -> Iterator[Violation]:
    """Find what is wrong with a schedule, what its runs are to be excepted."""
    yield from requests.suite_problems(
        name=wishes.name, description=wishes.description, metadata=wishes.metadata
    )
    yield from cadence_problems(
        cron=wishes.cron, interval_seconds=wishes.interval_seconds, timezone=wishes.timezone
    )
    yield from _webhook_problems(wishes)


def is_json_object(document: bytes) -> bool:
    """Tell whether bytes hold a JSON object."""
    try:
        return isinstance(json.loads(document), dict)
    except ValueError:
        return False


def _webhook_problems(wishes: ScheduleWishes) -> Iterator[Violation]:
    url, secret = wishes.webhook_url, wishes.webhook_secret
    if url is not None and (not 1 <= len(url) <= URL_CHARS_MAX or NUL in url):
        message = f"webhook_url must have 1 to {URL_CHARS_MAX} characters"
        yield Violation("webhook_url", "INVALID_WEBHOOK_URL", message)
    if secret is None:
        return
    if not 1 <= len(secret) <= SECRET_CHARS_MAX or NUL in secret:
        message = f"webhook_secret must have 1 to {SECRET_CHARS_MAX} characters"
        yield Violation("webhook_secret", "INVALID_WEBHOOK_SECRET", message)
    if url is None:
        message = "webhook_secret signs what goes to webhook_url, which is not set"
        yield Violation("webhook_secret", "SECRET_WITHOUT_WEBHOOK", message)
