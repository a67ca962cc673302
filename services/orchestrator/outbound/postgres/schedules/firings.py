"""What becomes of schedules when their time has come.

A fire is one transaction: it locks the schedule as it was read, stores the run, and moves the
schedule on. So no time fires twice and none is lost, however many replicas look and whoever is
killed when. Claims only spare them work.
"""

from collections.abc import Sequence
from datetime import datetime

from orchestrator.domain.schedules.firing import OverlapPolicy, Step
from orchestrator.domain.schedules.schedule import FireFailure, Schedule, ScheduleNotFound
from orchestrator.domain.suite import SuiteNotFound
from orchestrator.outbound.postgres.messages import RunAnnouncer
from orchestrator.outbound.postgres.run_insertion import insert_run, new_run
from orchestrator.outbound.postgres.schedules.records import SCHEDULE_SELECT, schedule_from
from orchestrator.ports.schedules import AdmittedRun
from pgstore.database import Database, RawConnection
from servicekit.clock import Clock

_UNFINISHED = """
EXISTS (SELECT 1 FROM runs r WHERE r.schedule_id = {schedule_id}
        AND r.state IN ('queued', 'in_progress', 'finalizing', 'cancelling'))
"""
_BUSY = "SELECT " + _UNFINISHED.format(schedule_id="$1")
_CLAIM = f"""
UPDATE schedules SET claimed_until = $2 WHERE schedule_id IN (
    SELECT s.schedule_id FROM schedules s
    WHERE (s.next_run_at <= $1
           OR s.buffered AND NOT {_UNFINISHED.format(schedule_id="s.schedule_id")})
      AND (s.claimed_until IS NULL OR s.claimed_until <= $1)
    ORDER BY s.next_run_at LIMIT $3 FOR UPDATE SKIP LOCKED
) RETURNING schedule_id
"""  # noqa: S608 -- ours
_CLAIMED = f"{SCHEDULE_SELECT} WHERE s.schedule_id = ANY($1::text[]) AND s.deleted_at IS NULL"
# Before the schedule, as a deletion of the suite locks them.
_SUITE_STANDS = "SELECT 1 FROM suites WHERE suite_id = $1 AND deleted_at IS NULL FOR KEY SHARE"
_AS_IT_WAS = """
WHERE schedule_id = $1 AND revision = $2 AND next_run_at IS NOT DISTINCT FROM $3 AND buffered = $4
  AND enabled AND deleted_at IS NULL
"""
_LOCK = f"SELECT true FROM schedules {_AS_IT_WAS} FOR NO KEY UPDATE"  # noqa: S608 -- ours
_PUT_OFF = f"""
UPDATE schedules SET buffered = $5, next_run_at = $6, claimed_until = NULL {_AS_IT_WAS}
"""  # noqa: S608 -- ours
_RELEASE = "UPDATE schedules SET claimed_until = NULL WHERE schedule_id = $1"
_STARTED = """
UPDATE schedules SET buffered = $2, next_run_at = $3, claimed_until = NULL, last_run_id = $4,
    last_run_at = $5, last_error_code = NULL, last_error_message = NULL
WHERE schedule_id = $1
"""
_FAILED = f"""
UPDATE schedules SET buffered = $5, next_run_at = $6, claimed_until = NULL, last_run_id = NULL,
    last_run_at = $7, last_error_code = $8, last_error_message = $9 {_AS_IT_WAS}
"""  # noqa: S608 -- ours
_STARTED_BESIDES = """
UPDATE schedules SET last_run_id = $2, last_run_at = $3, last_error_code = NULL,
    last_error_message = NULL
WHERE schedule_id = $1 AND deleted_at IS NULL RETURNING true
"""


class PostgresFirings:
    """Fires of schedules."""

    def __init__(self, database: Database, announcer: RunAnnouncer, clock: Clock) -> None:
        self._database = database
        self._announcer = announcer
        self._clock = clock

    async def claim(self, *, now: datetime, until: datetime, limit: int) -> Sequence[Schedule]:
        """Take schedules that have something to do; nobody else gets them before `until`."""
        async with self._database.connection() as connection:
            claimed = await connection.fetch(_CLAIM, now, until, limit)
            if not claimed:
                return []
            rows = await connection.fetch(_CLAIMED, [row["schedule_id"] for row in claimed])
        return [schedule_from(row) for row in rows]

    async def busy(self, schedule_id: str) -> bool:
        """Tell whether a run of a schedule is unfinished."""
        async with self._database.connection() as connection:
            return await _is_busy(connection, schedule_id)

    async def put_off(
        self, schedule: Schedule, *, buffered: bool, next_run_at: datetime | None
    ) -> None:
        """Note that no run starts now; a schedule that changed meanwhile stays as it is."""
        async with self._database.connection() as connection:
            await connection.execute(_PUT_OFF, *_as_it_was(schedule), buffered, next_run_at)

    async def start(
        self, schedule: Schedule, run: AdmittedRun, step: Step, next_run_at: datetime | None
    ) -> bool:
        """Store the run and move the schedule on, in one; False: it is not as it was."""
        async with self._database.connection() as connection, connection.transaction():
            if await connection.fetchval(_SUITE_STANDS, schedule.suite_id) is None:
                raise SuiteNotFound(schedule.suite_id)
            if await connection.fetchval(_LOCK, *_as_it_was(schedule)) is None:
                return False
            # Somebody may have triggered it since it was looked at.
            overlaps = schedule.wishes.overlap_policy is OverlapPolicy.ALLOW_ALL
            if not overlaps and await _is_busy(connection, schedule.id):
                await connection.execute(_RELEASE, schedule.id)
                return False
            now = await self._insert(connection, schedule, run)
            await connection.execute(
                _STARTED, schedule.id, step.buffered, next_run_at, run.run_id, now
            )
        return True

    async def start_now(self, schedule: Schedule, run: AdmittedRun) -> None:
        """Store the run as the schedule's last, besides its cadence; raise ScheduleNotFound."""
        async with self._database.connection() as connection, connection.transaction():
            now = await self._insert(connection, schedule, run)
            if not await connection.fetchval(_STARTED_BESIDES, schedule.id, run.run_id, now):
                raise ScheduleNotFound(schedule.id)

    async def fail(
        self, schedule: Schedule, failure: FireFailure, step: Step, next_run_at: datetime | None
    ) -> None:
        """Note that a fire started no run, and move the schedule on."""
        values = (step.buffered, next_run_at, self._clock.utc_now(), failure.code, failure.message)
        async with self._database.connection() as connection:
            await connection.execute(_FAILED, *_as_it_was(schedule), *values)

    async def _insert(
        self, connection: RawConnection, schedule: Schedule, run: AdmittedRun
    ) -> datetime:
        now = self._clock.utc_now()
        made = new_run(
            run.caller, run.run_id, run.request, run.version, now=now, schedule_id=schedule.id
        )
        await insert_run(connection, self._announcer, made, run.token)
        return now


async def _is_busy(connection: RawConnection, schedule_id: str) -> bool:
    return await connection.fetchval(_BUSY, schedule_id) is True


def _as_it_was(schedule: Schedule) -> tuple[object, ...]:
    return schedule.id, schedule.revision, schedule.next_run_at, schedule.buffered
