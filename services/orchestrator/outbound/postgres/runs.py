"""Runs in Postgres, as their team sees them."""

from collections.abc import Iterator

from orchestrator.domain.ids import IdPrefix, is_id
from orchestrator.domain.listing import InvalidCursor, Page, RunFilter, SampleFilter, Slice
from orchestrator.domain.run import Run, RunIdTaken, RunNotFound, RunRequest
from orchestrator.domain.sample import Sample
from orchestrator.domain.suite import VersionRef
from orchestrator.domain.text import storable
from orchestrator.outbound.postgres import sample_records
from orchestrator.outbound.postgres.conditions import Term, conditions
from orchestrator.outbound.postgres.messages import RunAnnouncer
from orchestrator.outbound.postgres.pages import page_length
from orchestrator.outbound.postgres.run_insertion import insert_run, new_run
from orchestrator.outbound.postgres.run_records import RUN_BYTES, RUN_SELECT, run_from
from orchestrator.outbound.postgres.visibility import (
    OWNED_RUN,
    VISIBLE_RUN,
    seen_by,
    visible_run,
)
from pgstore.database import Database, RawConnection
from servicekit.caller import Caller
from servicekit.clock import Clock

_PLACE = f"SELECT r.run_id, r.created_at, {RUN_BYTES} AS size FROM runs r"  # noqa: S608 -- ours
_NEWEST = "ORDER BY r.created_at DESC, r.run_id DESC LIMIT $3"
# Each branch reads a page at most of what it sees, in the order of an index; one condition with
# both in it would read all runs of all teams.
_OWNED_PLACES = f"({_PLACE} WHERE {OWNED_RUN}{{further}} {_NEWEST})"
_SHARED_PLACES = f"""
(SELECT r.run_id, r.created_at, r.size FROM suite_shares g CROSS JOIN LATERAL (
    {_PLACE} WHERE r.suite_id = g.suite_id AND r.deleted_at IS NULL{{further}} {_NEWEST}
) r WHERE g.org_id = $1 {_NEWEST})
"""  # noqa: S608 -- ours
_VISIBLE_PLACES = f"""
SELECT r.run_id, r.size FROM ({_OWNED_PLACES} UNION ALL {_SHARED_PLACES}) r {_NEWEST}
"""  # noqa: S608 -- ours
_PAGE = f"""
{RUN_SELECT} WHERE r.run_id = ANY($1::text[]) AND r.deleted_at IS NULL
ORDER BY r.created_at DESC, r.run_id DESC
"""

_CURSOR = "SELECT r.created_at FROM runs r WHERE {seen} AND r.run_id = $3"


class PostgresRuns:
    """Runs and samples that the caller may see."""

    def __init__(self, database: Database, announcer: RunAnnouncer, clock: Clock) -> None:
        self._database = database
        self._announcer = announcer
        self._clock = clock

    async def add(
        self, caller: Caller, run_id: str, request: RunRequest, version: VersionRef, token: str
    ) -> Run:
        """Store a queued run with its event and work message, or return the one stored before."""
        run = new_run(caller, run_id, request, version, now=self._clock.utc_now())
        async with self._database.connection() as connection, connection.transaction():
            if await insert_run(connection, self._announcer, run, token):
                return run
        try:
            return await self.get(caller, run_id)
        except RunNotFound:
            raise RunIdTaken("the run id is taken", run_id=run_id) from None

    async def get(self, caller: Caller, run_id: str) -> Run:
        """Return a run, or raise RunNotFound."""
        async with self._database.connection() as connection:
            return await visible_run(connection, caller, run_id)

    async def list_page(self, caller: Caller, wanted: RunFilter, page: Page) -> Slice[Run]:
        """Return runs, newest first, or raise InvalidCursor."""
        places_of = _OWNED_PLACES if wanted.owned_only else _VISIBLE_PLACES
        async with self._database.connection() as connection:
            terms = list(_terms(wanted))
            if page.after:
                seen = OWNED_RUN if wanted.owned_only else VISIBLE_RUN
                created_at = await _created_at(connection, caller, page.after, seen)
                terms.append(("(r.created_at, r.run_id) < ({0}, {1})", [created_at, page.after]))
            further = conditions(terms, first_number=4)
            places = await connection.fetch(
                places_of.format(further=further.sql),
                caller.org_id,
                caller.team_id,
                page.size + 1,
                *further.values,
            )
            sizes = [place["size"] for place in places]
            length = page_length(sizes, entries_max=page.size)
            ids = [place["run_id"] for place in places[:length]]
            rows = await connection.fetch(_PAGE, ids)
        return Slice([seen_by(caller, run_from(row)) for row in rows], len(places) > length)

    async def list_samples(
        self, caller: Caller, run_id: str, wanted: SampleFilter, page: Page
    ) -> Slice[Sample]:
        """Return samples by task, model and index, or raise RunNotFound or InvalidCursor."""
        async with self._database.connection() as connection:
            run = await visible_run(connection, caller, run_id)
            after = None
            if page.after:
                after = await sample_records.place_of(connection, run_id, page.after)
                if after is None:
                    raise InvalidCursor(page.after)
            return await sample_records.read_page(connection, run, wanted, after, page.size)


def _terms(wanted: RunFilter) -> Iterator[Term]:
    if wanted.suite_id:
        yield "r.suite_id = {0}", [storable(wanted.suite_id)]
    if wanted.suite_version is not None:
        yield "r.suite_version = {0}", [wanted.suite_version]
    if wanted.state is not None:
        yield "r.state = {0}", [wanted.state]
    if wanted.schedule_id:
        yield "r.schedule_id = {0}", [storable(wanted.schedule_id)]


async def _created_at(connection: RawConnection, caller: Caller, run_id: str, seen: str) -> object:
    created_at = None
    if is_id(run_id, IdPrefix.RUN):
        statement = _CURSOR.format(seen=seen)
        created_at = await connection.fetchval(statement, caller.org_id, caller.team_id, run_id)
    if created_at is None:
        raise InvalidCursor(run_id)
    return created_at
