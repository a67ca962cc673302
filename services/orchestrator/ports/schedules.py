"""What schedules need of the outside. Each method of a store is one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from orchestrator.domain.listing import Page, Slice
from orchestrator.domain.run import RunRequest
from orchestrator.domain.schedules.firing import Step
from orchestrator.domain.schedules.schedule import (
    FireFailure,
    Owner,
    Schedule,
    ScheduleFilter,
    Webhook,
)
from orchestrator.domain.suite import VersionRef
from servicekit.caller import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedRun:
    """A run that may start."""

    run_id: str
    caller: Caller
    request: RunRequest
    version: VersionRef
    token: str = field(repr=False)


class Schedules(Protocol):
    """Schedules of the caller's team."""

    async def add(self, schedule: Schedule) -> None:
        """Store a schedule.

        Raises TooManySchedules, SuiteNotFound when the suite was deleted meanwhile.
        """

    async def get(self, caller: Caller, schedule_id: str) -> Schedule:
        """Return a schedule, or raise ScheduleNotFound."""
        ...

    async def list_page(
        self, caller: Caller, wanted: ScheduleFilter, page: Page
    ) -> Slice[Schedule]:
        """Return schedules, newest first, or raise InvalidCursor."""
        ...

    async def change(self, schedule: Schedule, *, timed_anew: bool) -> bool:
        """Store what its owner changed; False: somebody else changed it since it was read.

        `timed_anew`: its times are written, too; else a fire meanwhile stands.
        """
        ...

    async def delete(self, caller: Caller, schedule_id: str) -> None:
        """Hide a schedule, or raise ScheduleNotFound."""

    async def webhook(self, caller: Caller, schedule_id: str) -> Webhook:
        """Return where its runs are told of, or raise ScheduleNotFound."""
        ...


class Firings(Protocol):
    """What becomes of schedules when their time has come."""

    async def claim(self, *, now: datetime, until: datetime, limit: int) -> Sequence[Schedule]:
        """Take schedules that have something to do; nobody else gets them before `until`."""
        ...

    async def busy(self, schedule_id: str) -> bool:
        """Tell whether a run of a schedule is unfinished."""
        ...

    async def put_off(
        self, schedule: Schedule, *, buffered: bool, next_run_at: datetime | None
    ) -> None:
        """Note that no run starts now; a schedule that changed meanwhile stays as it is."""

    async def start(
        self, schedule: Schedule, run: AdmittedRun, step: Step, next_run_at: datetime | None
    ) -> bool:
        """Store the run and move the schedule on, in one.

        False, and nothing stored: the schedule changed, or somebody else fired it.
        """
        ...

    async def start_now(self, schedule: Schedule, run: AdmittedRun) -> None:
        """Store the run as the schedule's last, besides its cadence; raise ScheduleNotFound."""

    async def fail(
        self, schedule: Schedule, failure: FireFailure, step: Step, next_run_at: datetime | None
    ) -> None:
        """Note that a fire started no run, and move the schedule on."""


class Admission(Protocol):
    """The gateway, which knows keys and signs run tokens."""

    async def admit(
        self, owner: Owner, *, schedule_id: str, run_id: str, request: RunRequest
    ) -> str:
        """Return a run token; a ServiceError when the key of the grant is no longer good."""
        ...
