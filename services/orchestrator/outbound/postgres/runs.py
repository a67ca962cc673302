"""Runs in Postgres, as their team sees them."""

from collections.abc import Iterator

import orjson

from orchestrator.domain.ids import IdPrefix, is_id
from orchestrator.domain.listing import InvalidCursor, Page, RunFilter, SampleFilter, Slice
from orchestrator.domain.metrics import Counts
from orchestrator.domain.run import Run, RunIdTaken, RunNotFound, RunRequest
from orchestrator.domain.run_states import RunState
from orchestrator.domain.sample import Sample
from orchestrator.domain.suite import SuiteNotFound, VersionRef
from orchestrator.domain.text import storable
from orchestrator.domain.tokens import NO_TOKENS
from orchestrator.domain.work import RunStep
from orchestrator.outbound.postgres import messages, sample_records
from orchestrator.outbound.postgres.conditions import Term, conditions
from orchestrator.outbound.postgres.messages import Fact, RunAnnouncer
from orchestrator.outbound.postgres.pages import page_length
from orchestrator.outbound.postgres.run_records import RUN_SELECT, run_from
from orchestrator.outbound.postgres.visibility import (
    OWNED_RUN,
    VISIBLE_RUN,
    seen_by,
    visible_run,
)
from pgstore.database import Database, RawConnection
from servicekit.caller import Caller
from servicekit.clock import Clock

_PLACE = """
SELECT r.run_id, r.created_at, octet_length(r.metadata::text) + octet_length(r.generation)
       + coalesce(octet_length(r.metrics), 0) + coalesce(octet_length(r.error_message), 0)
       + octet_length(r.models::text) + coalesce(octet_length(r.task_ids::text), 0) + 1000 AS size
FROM runs r
"""
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

_INSERT = """
INSERT INTO runs ({columns}) VALUES ({values}) ON CONFLICT (run_id) DO NOTHING RETURNING run_id
"""

# A deletion of the suite waits for us, or we for it.
_SUITE_STANDS = "SELECT 1 FROM suites WHERE suite_id = $1 AND deleted_at IS NULL FOR KEY SHARE"

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
        run = self._new(caller, run_id, request, version)
        columns = _columns(run, token)
        async with self._database.connection() as connection, connection.transaction():
            statement = _INSERT.format(
                columns=", ".join(columns),
                values=", ".join(f"${number}" for number in range(1, len(columns) + 1)),
            )
            if await connection.fetchval(_SUITE_STANDS, version.suite_id) is None:
                raise SuiteNotFound(version.suite_id)
            if await connection.fetchval(statement, *columns.values()) is not None:
                await self._announcer.announce(connection, Fact.QUEUED, run)
                await messages.send_step(connection, run_id, RunStep.PREPARE)
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

    def _new(self, caller: Caller, run_id: str, request: RunRequest, version: VersionRef) -> Run:
        return Run(
            id=run_id,
            org_id=caller.org_id,
            team_id=caller.team_id,
            on_behalf_of=caller.on_behalf_of,
            suite_id=version.suite_id,
            suite_version=version.version,
            suite_version_id=version.id,
            state=RunState.QUEUED,
            request=request,
            counts=Counts(),
            metrics_json=b"",
            error=None,
            result_file_id=None,
            samples_file_id=None,
            edition=0,
            tokens=NO_TOKENS,
            created_at=self._clock.utc_now(),
            started_at=None,
            ended_at=None,
        )


def _terms(wanted: RunFilter) -> Iterator[Term]:
    if wanted.suite_id:
        yield "r.suite_id = {0}", [storable(wanted.suite_id)]
    if wanted.suite_version is not None:
        yield "r.suite_version = {0}", [wanted.suite_version]
    if wanted.state is not None:
        yield "r.state = {0}", [wanted.state]


async def _created_at(connection: RawConnection, caller: Caller, run_id: str, seen: str) -> object:
    created_at = None
    if is_id(run_id, IdPrefix.RUN):
        statement = _CURSOR.format(seen=seen)
        created_at = await connection.fetchval(statement, caller.org_id, caller.team_id, run_id)
    if created_at is None:
        raise InvalidCursor(run_id)
    return created_at


def _columns(run: Run, token: str) -> dict[str, object]:
    request = run.request
    return {
        "run_id": run.id,
        "org_id": run.org_id,
        "team_id": run.team_id,
        "on_behalf_of": run.on_behalf_of,
        "suite_id": run.suite_id,
        "suite_version": run.suite_version,
        "suite_version_id": run.suite_version_id,
        "state": run.state,
        "models": list(request.models),
        "task_ids": None if request.task_ids is None else list(request.task_ids),
        "judge_model": request.judge_model,
        "embedding_model": request.embedding_model,
        "generation": request.generation_json.decode(),
        "generation_concurrency": request.generation_concurrency,
        "grader_concurrency": request.grader_concurrency,
        "max_samples_per_task": request.max_samples_per_task,
        "metadata": orjson.dumps(dict(request.metadata)).decode(),
        "run_token": token,
        "dispatched_at": run.created_at,
        "created_at": run.created_at,
    }
