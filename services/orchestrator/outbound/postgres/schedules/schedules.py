"""Schedules of teams."""

from collections.abc import Iterable, Iterator

from orchestrator.domain.ids import IdPrefix, is_id
from orchestrator.domain.listing import InvalidCursor, Page, Slice
from orchestrator.domain.schedules.schedule import (
    SCHEDULES_MAX,
    Schedule,
    ScheduleFilter,
    ScheduleNotFound,
    TooManySchedules,
    Webhook,
)
from orchestrator.domain.suite import SuiteNotFound
from orchestrator.domain.text import storable
from orchestrator.outbound.postgres.conditions import Term, conditions
from orchestrator.outbound.postgres.pages import page_length
from orchestrator.outbound.postgres.schedules.records import (
    SCHEDULE_SELECT,
    new_columns,
    owned_columns,
    schedule_from,
)
from pgstore.database import Database, RawConnection
from servicekit.caller import Caller, team_of

# A share of the suite opens none of its schedules.
_OURS = "s.deleted_at IS NULL AND s.org_id = $1 AND s.team_id = $2"

_COUNT = f"SELECT count(*) FROM schedules s WHERE {_OURS}"  # noqa: S608 -- ours
_INSERT = "INSERT INTO schedules ({columns}) VALUES ({values})"
# A deletion of the suite waits for us, or we for it; it disables what it finds.
_SUITE_STANDS = "SELECT 1 FROM suites WHERE suite_id = $1 AND deleted_at IS NULL FOR KEY SHARE"
_PLACES = f"""
SELECT s.schedule_id, octet_length(s.run) + octet_length(s.metadata::text)
       + coalesce(octet_length(s.description), 0) + 6000 AS size
FROM schedules s WHERE {_OURS}{{further}}
ORDER BY s.created_at DESC, s.schedule_id DESC LIMIT $3
"""  # noqa: S608 -- ours
_PAGE = f"""
{SCHEDULE_SELECT} WHERE s.schedule_id = ANY($1::text[]) AND s.deleted_at IS NULL
ORDER BY s.created_at DESC, s.schedule_id DESC
"""
_CURSOR = f"SELECT s.created_at FROM schedules s WHERE {_OURS} AND s.schedule_id = $3"  # noqa: S608 -- ours
# A fire meanwhile has written times that stand, unless they are written anew.
_CHANGE = """
UPDATE schedules SET {columns}, revision = revision + 1, claimed_until = NULL,
    buffered = buffered AND $4,
    counted_from = CASE WHEN $5 THEN $6 ELSE counted_from END,
    next_run_at = CASE WHEN $5 THEN $7 ELSE next_run_at END
WHERE schedule_id = $1 AND revision = $2 AND deleted_at IS NULL AND org_id || '/' || team_id = $3
RETURNING true
"""
_CHANGE_NUMBERED_FROM = 8
_DELETE = """
UPDATE schedules s SET deleted_at = now(), next_run_at = NULL, buffered = false,
    webhook_secret = NULL, granted = ''
WHERE s.org_id = $1 AND s.team_id = $2 AND s.schedule_id = $3 AND s.deleted_at IS NULL
RETURNING true
"""
_DISABLE_OF_SUITE = """
UPDATE schedules SET enabled = false, next_run_at = NULL, buffered = false, updated_at = now(),
    revision = revision + 1
WHERE suite_id = $1 AND deleted_at IS NULL AND enabled
"""


class PostgresSchedules:
    """Schedules of the caller's team."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, schedule: Schedule) -> None:
        """Store a schedule; raise TooManySchedules or SuiteNotFound."""
        columns = new_columns(schedule)
        statement = _INSERT.format(
            columns=", ".join(columns),
            values=", ".join(f"${number}" for number in range(1, len(columns) + 1)),
        )
        owner = schedule.owner
        async with self._database.connection() as connection, connection.transaction():
            if await connection.fetchval(_SUITE_STANDS, schedule.suite_id) is None:
                raise SuiteNotFound(schedule.suite_id)
            if await connection.fetchval(_COUNT, owner.org_id, owner.team_id) >= SCHEDULES_MAX:
                raise TooManySchedules
            await connection.execute(statement, *columns.values())

    async def get(self, caller: Caller, schedule_id: str) -> Schedule:
        """Return a schedule, or raise ScheduleNotFound."""
        row = None
        if is_id(schedule_id, IdPrefix.SCHEDULE):
            statement = f"{SCHEDULE_SELECT} WHERE {_OURS} AND s.schedule_id = $3"
            async with self._database.connection() as connection:
                row = await connection.fetchrow(
                    statement, caller.org_id, caller.team_id, schedule_id
                )
        if row is None:
            raise ScheduleNotFound(schedule_id)
        return schedule_from(row)

    async def list_page(
        self, caller: Caller, wanted: ScheduleFilter, page: Page
    ) -> Slice[Schedule]:
        """Return schedules, newest first, or raise InvalidCursor."""
        async with self._database.connection() as connection:
            terms = list(_terms(wanted))
            if page.after:
                created_at = await _created_at(connection, caller, page.after)
                place = [created_at, page.after]
                terms.append(("(s.created_at, s.schedule_id) < ({0}, {1})", place))
            further = conditions(terms, first_number=4)
            places = await connection.fetch(
                _PLACES.format(further=further.sql),
                caller.org_id,
                caller.team_id,
                page.size + 1,
                *further.values,
            )
            length = page_length([place["size"] for place in places], entries_max=page.size)
            ids = [place["schedule_id"] for place in places[:length]]
            rows = await connection.fetch(_PAGE, ids)
        return Slice([schedule_from(row) for row in rows], len(places) > length)

    async def change(self, schedule: Schedule, *, timed_anew: bool) -> bool:
        """Store what its owner changed; False: somebody else changed it since it was read."""
        columns = owned_columns(schedule)
        statement = _CHANGE.format(columns=_set(columns))
        async with self._database.connection() as connection:
            changed = await connection.fetchval(
                statement,
                schedule.id,
                schedule.revision,
                team_of(schedule.owner),
                schedule.buffered,
                timed_anew,
                schedule.counted_from,
                schedule.next_run_at,
                *columns.values(),
            )
        return changed is True

    async def delete(self, caller: Caller, schedule_id: str) -> None:
        """Hide a schedule and forget its secret and grant, or raise ScheduleNotFound."""
        deleted = None
        if is_id(schedule_id, IdPrefix.SCHEDULE):
            async with self._database.connection() as connection:
                deleted = await connection.fetchval(
                    _DELETE, caller.org_id, caller.team_id, schedule_id
                )
        if deleted is None:
            raise ScheduleNotFound(schedule_id)

    async def webhook(self, caller: Caller, schedule_id: str) -> Webhook:
        """Return where its runs are told of, or raise ScheduleNotFound."""
        wishes = (await self.get(caller, schedule_id)).wishes
        return Webhook(wishes.webhook_url, wishes.webhook_secret)


async def disable_schedules_of_suite(connection: RawConnection, suite_id: str) -> None:
    """Disable the schedules of a suite that is being deleted, in the caller's transaction."""
    await connection.execute(_DISABLE_OF_SUITE, suite_id)


def _set(columns: Iterable[str]) -> str:
    return ", ".join(
        f"{name} = ${number}" for number, name in enumerate(columns, start=_CHANGE_NUMBERED_FROM)
    )


def _terms(wanted: ScheduleFilter) -> Iterator[Term]:
    if wanted.suite_id:
        yield "s.suite_id = {0}", [storable(wanted.suite_id)]
    if wanted.enabled is not None:
        yield "s.enabled = {0}", [wanted.enabled]


async def _created_at(connection: RawConnection, caller: Caller, schedule_id: str) -> object:
    created_at = None
    if is_id(schedule_id, IdPrefix.SCHEDULE):
        created_at = await connection.fetchval(_CURSOR, caller.org_id, caller.team_id, schedule_id)
    if created_at is None:
        raise InvalidCursor(schedule_id)
    return created_at
