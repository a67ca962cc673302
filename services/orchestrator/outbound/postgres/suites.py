"""Suites and versions in Postgres."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import reduce
from operator import add
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, Text, cast, func, literal, tuple_, union_all
from sqlalchemy import select as sql_select
from sqlalchemy.orm import Mapped
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from orchestrator.domain.ids import IdPrefix, is_id
from orchestrator.domain.listing import InvalidCursor, Page, Slice
from orchestrator.domain.suite import (
    Suite,
    SuiteNotFound,
    SuiteVersion,
    SuiteVersionNotFound,
    VersionContent,
    VersionRef,
)
from orchestrator.domain.suite_share import SharedReadOnly
from orchestrator.outbound.postgres.pages import page_length
from orchestrator.outbound.postgres.tables import RunRow, SuiteRow, SuiteVersionRow
from orchestrator.outbound.postgres.visibility import (
    owns_suite,
    sees_suite,
    ways_to_see_suites,
)
from pgstore.database import Database
from servicekit.caller import Caller
from servicekit.clock import Clock
from servicekit.ids import new_id

Entry = TypeVar("Entry")


class PostgresSuites:
    """Suites and versions that the caller may see."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, suite: Suite, content: VersionContent) -> None:
        """Store a suite and its version 1."""
        async with self._database.transaction() as session:
            session.add(_suite_row(suite))
            await session.flush()
            session.add(_version_row(suite.id, 1, content, suite.created_at))

    async def add_version(
        self, caller: Caller, suite_id: str, content: VersionContent, *, activate: bool
    ) -> SuiteVersion:
        """Store the suite's next version; concurrent calls wait for each other at the suite."""
        async with self._database.transaction() as session:
            suite = await _owned(session, caller, suite_id, lock=True)
            now = self._clock.utc_now()
            number = suite.latest_version + 1
            row = _version_row(suite_id, number, content, now)
            session.add(row)
            suite.latest_version = number
            suite.updated_at = now
            if activate:
                suite.active_version = number
            session.add(suite)
            return _version(row)

    async def get(self, caller: Caller, suite_id: str) -> Suite:
        """Return a suite, or raise SuiteNotFound."""
        async with self._database.transaction() as session:
            return _suite(await _seen(session, caller, suite_id))

    async def get_owned(self, caller: Caller, suite_id: str) -> Suite:
        """Return a suite that is to be changed or run; raise SuiteNotFound or SharedReadOnly."""
        async with self._database.transaction() as session:
            return _suite(await _owned(session, caller, suite_id))

    async def list_page(
        self, caller: Caller, page: Page, *, owned_only: bool = False
    ) -> Slice[Suite]:
        """Return suites, newest first, or raise InvalidCursor."""
        seen = owns_suite(caller) if owned_only else sees_suite(caller)
        ways = [seen] if owned_only else ways_to_see_suites(caller)
        order = (col(SuiteRow.created_at), col(SuiteRow.suite_id))
        # By columns, not as one tuple: only so does the index have the order.
        rows = select(SuiteRow).order_by(*(column.desc() for column in order))
        async with self._database.transaction() as session:
            behind = rows
            if page.after:
                cursor = await _find(session, page.after, seen)
                if cursor is None:
                    raise InvalidCursor(page.after)
                behind = rows.where(tuple_(*order) < (cursor.created_at, cursor.suite_id))
            places = _first_of(behind.where(way).limit(page.size + 1) for way in ways)
            key = col(SuiteRow.suite_id)
            found, more = await _some(session, places, rows, key, page)
        return Slice([_suite(row) for row in found], more)

    async def get_version(self, caller: Caller, suite_id: str, version: int) -> SuiteVersion:
        """Return a version, or raise SuiteNotFound or SuiteVersionNotFound."""
        async with self._database.transaction() as session:
            await _seen(session, caller, suite_id)
            wanted = _versions_of(suite_id).where(col(SuiteVersionRow.version) == version)
            row = (await session.exec(wanted)).first()
            if row is None:
                raise SuiteVersionNotFound(suite_id, version)
            return _version(row)

    async def list_versions(self, caller: Caller, suite_id: str, page: Page) -> Slice[SuiteVersion]:
        """Return versions, highest first, or raise SuiteNotFound or InvalidCursor."""
        number = col(SuiteVersionRow.version)
        wanted = _versions_of(suite_id).order_by(number.desc())
        async with self._database.transaction() as session:
            await _seen(session, caller, suite_id)
            if page.after:
                after = await _version_number(session, suite_id, page.after)
                wanted = wanted.where(number < after)
            size = _lengths(SuiteVersionRow.manifest, SuiteVersionRow.labels)
            key = col(SuiteVersionRow.suite_version_id)
            places = wanted.with_only_columns(key, size)
            rows, more = await _some(session, places, wanted, key, page)
        return Slice([_version(row) for row in rows], more)

    async def find_version(
        self, caller: Caller, suite_id: str, version: int | None
    ) -> VersionRef | None:
        """Look up a version that is to be run, the active one for None, without its manifest.

        Raises SuiteNotFound or SharedReadOnly.
        """
        row = SuiteVersionRow
        async with self._database.transaction() as session:
            suite = await _owned(session, caller, suite_id)
            number = suite.active_version if version is None else version
            wanted = select(col(row.suite_version_id), col(row.task_ids)).where(
                col(row.suite_id) == suite_id, col(row.version) == number
            )
            found = (await session.exec(wanted)).first()
        if found is None:
            return None
        version_id, task_ids = found
        return VersionRef(id=version_id, suite_id=suite_id, version=number, task_ids=task_ids)


async def origin_of(session: AsyncSession, run_id: str) -> tuple[Suite, SuiteVersion]:
    """Return the suite and the version that a run was made of, deleted or not."""
    wanted = (
        select(SuiteRow, SuiteVersionRow)
        .join(SuiteVersionRow, col(SuiteVersionRow.suite_id) == col(SuiteRow.suite_id))
        .join(RunRow, col(RunRow.suite_version_id) == col(SuiteVersionRow.suite_version_id))
        .where(col(RunRow.run_id) == run_id)
    )
    suite, version = (await session.exec(wanted)).one()
    return _suite(suite), _version(version)


def _versions_of(suite_id: str) -> SelectOfScalar[SuiteVersionRow]:
    return select(SuiteVersionRow).where(col(SuiteVersionRow.suite_id) == suite_id)


async def _find(
    session: AsyncSession, suite_id: str, condition: ColumnElement[bool], *, lock: bool = False
) -> SuiteRow | None:
    if not is_id(suite_id, IdPrefix.SUITE):
        return None
    wanted = select(SuiteRow).where(col(SuiteRow.suite_id) == suite_id, condition)
    return (await session.exec(wanted.with_for_update() if lock else wanted)).first()


async def _seen(session: AsyncSession, caller: Caller, suite_id: str) -> SuiteRow:
    row = await _find(session, suite_id, sees_suite(caller))
    if row is None:
        raise SuiteNotFound(suite_id)
    return row


async def _owned(
    session: AsyncSession, caller: Caller, suite_id: str, *, lock: bool = False
) -> SuiteRow:
    row = await _find(session, suite_id, owns_suite(caller), lock=lock)
    if row is None:
        await _seen(session, caller, suite_id)
        raise SharedReadOnly(suite_id)
    return row


def _first_of(branches: Iterable[SelectOfScalar[SuiteRow]]) -> Select[*tuple[Any, ...]]:
    """Return keys and sizes of suites of several statements, newest first."""
    size = _lengths(SuiteRow.name, SuiteRow.description, SuiteRow.labels).label("size")
    columns = (col(SuiteRow.suite_id), col(SuiteRow.created_at), size)
    of_branches = [branch.with_only_columns(*columns).subquery() for branch in branches]
    every = union_all(*(sql_select(branch) for branch in of_branches)).subquery()
    newest = (every.c.created_at.desc(), every.c.suite_id.desc())
    return sql_select(every.c.suite_id, every.c.size).order_by(*newest)


def _lengths(*columns: Any) -> ColumnElement[int]:
    sizes = [func.coalesce(func.octet_length(cast(column, Text)), 0) for column in columns]
    return reduce(add, sizes, literal(1000))


async def _some(
    session: AsyncSession,
    places: Select[*tuple[Any, ...]],
    wanted: SelectOfScalar[Entry],
    key: Mapped[str],
    page: Page,
) -> tuple[Sequence[Entry], bool]:
    """Return the entries of a page, none behind its end read, and whether more follow.

    `places` selects keys and sizes of all that are wanted, in order.
    """
    # One more than asked for tells whether more follow.
    found = (await (await session.connection()).execute(places.limit(page.size + 1))).all()
    length = page_length([place[1] for place in found], entries_max=page.size)
    keys = [place[0] for place in found[:length]]
    rows = (await session.exec(wanted.where(key.in_(keys)))).all()
    return rows, len(found) > length


async def _version_number(session: AsyncSession, suite_id: str, version_id: str) -> int:
    wanted = select(col(SuiteVersionRow.version)).where(
        col(SuiteVersionRow.suite_version_id) == version_id,
        col(SuiteVersionRow.suite_id) == suite_id,
    )
    number = None
    if is_id(version_id, IdPrefix.SUITE_VERSION):
        number = (await session.exec(wanted)).first()
    if number is None:
        raise InvalidCursor(version_id)
    return number


def _suite_row(suite: Suite) -> SuiteRow:
    return SuiteRow(
        suite_id=suite.id,
        org_id=suite.org_id,
        team_id=suite.team_id,
        name=suite.name,
        description=suite.description,
        active_version=suite.active_version,
        latest_version=suite.latest_version,
        labels=dict(suite.metadata),
        created_at=suite.created_at,
        updated_at=suite.updated_at,
    )


def _suite(row: SuiteRow) -> Suite:
    return Suite(
        id=row.suite_id,
        org_id=row.org_id,
        team_id=row.team_id,
        name=row.name,
        description=row.description,
        active_version=row.active_version,
        latest_version=row.latest_version,
        metadata=row.labels,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _version_row(
    suite_id: str, number: int, content: VersionContent, now: datetime
) -> SuiteVersionRow:
    return SuiteVersionRow(
        suite_version_id=new_id(IdPrefix.SUITE_VERSION),
        suite_id=suite_id,
        version=number,
        manifest=content.manifest_json.decode(),
        task_ids=list(content.task_ids),
        dataset_file_ids=list(content.dataset_file_ids),
        labels=dict(content.metadata),
        created_at=now,
    )


def _version(row: SuiteVersionRow) -> SuiteVersion:
    content = VersionContent(
        manifest_json=row.manifest.encode(),
        task_ids=row.task_ids,
        dataset_file_ids=row.dataset_file_ids,
        metadata=row.labels,
    )
    return SuiteVersion(
        id=row.suite_version_id,
        suite_id=row.suite_id,
        version=row.version,
        content=content,
        created_at=row.created_at,
    )
