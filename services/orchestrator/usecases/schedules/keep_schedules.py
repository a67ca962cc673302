"""Create, change and trigger schedules for their team."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.domain import requests
from orchestrator.domain.ids import IdPrefix, is_id
from orchestrator.domain.schedules.firing import OverlapPolicy
from orchestrator.domain.schedules.schedule import (
    Owner,
    Schedule,
    ScheduleWishes,
    is_json_object,
    wishes_problems,
)
from orchestrator.ports.schedules import Firings, Schedules
from orchestrator.usecases.schedules.starts import ScheduledStarts
from servicekit import logs
from servicekit.caller import Caller
from servicekit.clock import Clock
from servicekit.errors import Kind, ServiceError, Violation

# Each lost try means that somebody else changed it, so this many may change one schedule at once.
_TRIES = 30
# What says when a schedule is due; a change of one counts anew from now.
_TIMES = ("cron", "interval_seconds", "timezone", "enabled")

_log = logs.get_logger("orchestrator.schedules")


class ScheduleChanging(ServiceError):
    """Others change the schedule at this moment; nothing was changed."""

    kind = Kind.ABORTED
    reason = "SCHEDULE_CHANGING"


class KeepSchedules:
    """What a team does with its schedules."""

    def __init__(
        self, schedules: Schedules, firings: Firings, starts: ScheduledStarts, clock: Clock
    ) -> None:
        self._schedules = schedules
        self._firings = firings
        self._starts = starts
        self._clock = clock

    async def create(
        self, caller: Caller, *, schedule_id: str, suite_id: str, wishes: ScheduleWishes, grant: str
    ) -> Schedule:
        """Store a schedule and return it.

        Raises:
            RequestInvalid: fields break rules, or a run of it would be refused.
            SuiteNotFound, SharedReadOnly, UnknownSuiteVersion: as for a run.
            TooManySchedules: the team has as many as it may.
        """
        _require(wishes, schedule_id)
        await self._starts.check(caller, suite_id, wishes)
        now = self._clock.utc_now()
        schedule = Schedule(
            id=schedule_id,
            suite_id=suite_id,
            owner=_owner(caller, grant),
            wishes=wishes,
            revision=0,
            counted_from=now,
            next_run_at=None,
            buffered=False,
            last_run_id=None,
            last_run_at=None,
            last_run_state=None,
            last_error=None,
            created_at=now,
            updated_at=now,
        )
        schedule = replace(schedule, next_run_at=schedule.next_after(now))
        await self._schedules.add(schedule)
        _log.info("schedule_created", schedule_id=schedule_id, suite_id=suite_id)
        return schedule

    async def change(
        self, caller: Caller, schedule_id: str, changes: Mapping[str, Any], *, grant: str
    ) -> Schedule:
        """Change fields of ScheduleWishes and return the schedule; its runs are the caller's now.

        Raises:
            ScheduleNotFound: the team has no such schedule.
            RequestInvalid, SuiteNotFound, UnknownSuiteVersion: as for `create`.
            ScheduleChanging: others change it all the time.
        """
        for _ in range(_TRIES):
            stored = await self._schedules.get(caller, schedule_id)
            wishes = replace(stored.wishes, **_with_consequences(changes))
            _require(wishes, schedule_id)
            if _starts_otherwise(stored.wishes, wishes):
                await self._starts.check(caller, stored.suite_id, wishes)
            timed_anew = any(getattr(stored.wishes, n) != getattr(wishes, n) for n in _TIMES)
            changed = self._changed(stored, wishes, _owner(caller, grant), timed_anew=timed_anew)
            if await self._schedules.change(changed, timed_anew=timed_anew):
                _log.info("schedule_changed", schedule_id=schedule_id, fields=sorted(changes))
                return await self._schedules.get(caller, schedule_id)
        raise ScheduleChanging("others change this schedule at the moment", schedule=schedule_id)

    async def trigger(self, caller: Caller, schedule_id: str, *, grant: str) -> Schedule:
        """Start a run now, whatever cadence and overlap policy say; return the schedule.

        Raises:
            ScheduleNotFound: the team has no such schedule.
            ServiceError: the run was refused.
        """
        schedule = await self._schedules.get(caller, schedule_id)
        run = await self._starts.admit(schedule, _owner(caller, grant))
        await self._firings.start_now(schedule, run)
        _log.info("schedule_triggered", schedule_id=schedule_id, run_id=run.run_id)
        return await self._schedules.get(caller, schedule_id)

    def _changed(
        self, stored: Schedule, wishes: ScheduleWishes, owner: Owner, *, timed_anew: bool
    ) -> Schedule:
        now = self._clock.utc_now()
        keeps = wishes.enabled and wishes.overlap_policy is OverlapPolicy.BUFFER_ONE
        changed = replace(
            stored,
            wishes=wishes,
            owner=owner,
            buffered=stored.buffered and keeps,
            updated_at=now,
        )
        if timed_anew:
            changed = replace(changed, counted_from=now)
            changed = replace(changed, next_run_at=changed.next_after(now))
        return changed


def _owner(caller: Caller, grant: str) -> Owner:
    return Owner(
        org_id=caller.org_id,
        team_id=caller.team_id,
        key_id=caller.key_id,
        on_behalf_of=caller.on_behalf_of,
        grant=grant,
    )


def _require(wishes: ScheduleWishes, schedule_id: str) -> None:
    problems = list(wishes_problems(wishes))
    if not is_id(schedule_id, IdPrefix.SCHEDULE):
        message = "schedule_id must be eval_schedule_ and 32 hex digits"
        problems.append(Violation("schedule_id", "INVALID_SCHEDULE_ID", message))
    if not is_json_object(wishes.run_json):
        problems.append(Violation("run", "INVALID_RUN", "run must be an object"))
    requests.require(iter(problems))


def _with_consequences(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Let a secret go with the webhook that it signs."""
    if "webhook_url" in changes and changes["webhook_url"] is None:
        return {"webhook_secret": None, **changes}
    return changes


def _starts_otherwise(before: ScheduleWishes, after: ScheduleWishes) -> bool:
    same = (before.run_json, before.suite_version) == (after.run_json, after.suite_version)
    return not same or (after.enabled and not before.enabled)
