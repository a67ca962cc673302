"""Fire schedules when their time has come; any number of replicas may do so at once."""

import asyncio
from datetime import timedelta

from orchestrator.domain.schedules.firing import Step, next_step
from orchestrator.domain.schedules.schedule import FireFailure, Schedule
from orchestrator.ports.schedules import Firings
from orchestrator.usecases.failures import is_passing
from orchestrator.usecases.schedules.starts import ScheduledStarts
from servicekit import logs
from servicekit.clock import Clock
from servicekit.errors import ServiceError

_AT_ONCE = 16
# Also how long a schedule waits whose fire met a part that was away, or whose replica was killed.
_CLAIM = timedelta(seconds=30)

_log = logs.get_logger("orchestrator.fire_schedules")


class FireSchedules:
    """Looks every `period_s` for schedules that are due, or whose remembered start may be made.

    However many times passed while nobody looked, a schedule fires once for them.
    """

    def __init__(
        self, firings: Firings, starts: ScheduledStarts, clock: Clock, *, period_s: float
    ) -> None:
        self._firings = firings
        self._starts = starts
        self._clock = clock
        self._period_s = period_s

    async def run(self) -> None:
        """Fire until cancelled."""
        while True:
            found = 0
            try:
                found = await self.fire_due()
            except ServiceError as error:
                _log.warning("schedules_not_looked_at", error=repr(error))
            except Exception:  # noqa: BLE001 -- the next look is as good
                _log.exception("schedules_not_looked_at")
            if found < _AT_ONCE:
                await asyncio.sleep(self._period_s)

    async def fire_due(self) -> int:
        """Look once; return how many schedules had something to do."""
        now = self._clock.utc_now()
        claimed = await self._firings.claim(now=now, until=now + _CLAIM, limit=_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for schedule in claimed:
                tasks.create_task(self._fire(schedule))
        return len(claimed)

    async def _fire(self, schedule: Schedule) -> None:
        with logs.bind_log_fields(schedule_id=schedule.id):
            try:
                await self._take_step(schedule)
            except ServiceError as error:
                # The claim runs out, and then it is tried again.
                _log.warning("schedule_not_fired", error=repr(error))
            except Exception:  # noqa: BLE001 -- one schedule's failure is not the others'
                _log.exception("schedule_not_fired")

    async def _take_step(self, schedule: Schedule) -> None:
        now = self._clock.utc_now()
        due = schedule.next_run_at is not None and schedule.next_run_at <= now
        next_run_at = schedule.next_after(now) if due else schedule.next_run_at
        busy = await self._firings.busy(schedule.id)
        policy = schedule.wishes.overlap_policy
        step = next_step(policy, due=due, buffered=schedule.buffered, busy=busy)
        if not step.starts:
            await self._firings.put_off(schedule, buffered=step.buffered, next_run_at=next_run_at)
            _log.info("schedule_put_off", buffered=step.buffered)
            return
        try:
            run = await self._starts.admit(schedule, schedule.owner)
            started = await self._firings.start(schedule, run, step, next_run_at)
        except ServiceError as error:
            if is_passing(error):
                raise
            await self._note_failure(schedule, error, step)
            return
        if started:
            _log.info("schedule_fired", run_id=run.run_id)

    async def _note_failure(self, schedule: Schedule, error: ServiceError, step: Step) -> None:
        word = error.violations[0].reason if error.violations else error.reason
        failure = FireFailure(code=word.lower(), message=error.message)
        next_run_at = schedule.next_after(self._clock.utc_now())
        await self._firings.fail(schedule, failure, step, next_run_at)
        _log.warning("schedule_failed", code=failure.code, error=failure.message)
