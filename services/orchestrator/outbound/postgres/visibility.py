"""Who sees suites and runs: the team that owns them, and organisations they are shared with.

Every read of a suite, a version, a run or a sample asks here. A run is always of its suite's team,
so a share of the suite is one of its runs, and whoever may see a suite may see all its runs.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlmodel import col, select

from orchestrator.domain.ids import IdPrefix, is_id
from orchestrator.domain.run import Run, RunNotFound
from orchestrator.domain.run_states import RunState
from orchestrator.domain.suite import SuiteNotFound
from orchestrator.domain.suite_share import SharedReadOnly
from orchestrator.outbound.postgres.run_records import RUN_SELECT, run_from
from orchestrator.outbound.postgres.tables import SuiteRow, SuiteShareRow
from pgstore.database import RawConnection
from servicekit.caller import Caller

# Of runs `r` and suites `s`; $1 is the caller's organisation, $2 its team.
OWNED_RUN = "r.deleted_at IS NULL AND r.org_id = $1 AND r.team_id = $2"
VISIBLE_RUN = """
r.deleted_at IS NULL AND (r.org_id = $1 AND r.team_id = $2 OR EXISTS (
    SELECT 1 FROM suite_shares g WHERE g.suite_id = r.suite_id AND g.org_id = $1))
"""
OWNED_SUITE = "s.deleted_at IS NULL AND s.org_id = $1 AND s.team_id = $2"
VISIBLE_SUITE = """
s.deleted_at IS NULL AND (s.org_id = $1 AND s.team_id = $2 OR EXISTS (
    SELECT 1 FROM suite_shares g WHERE g.suite_id = s.suite_id AND g.org_id = $1))
"""

_VISIBLE_RUN = f"SELECT 1 FROM runs r WHERE {VISIBLE_RUN} AND r.run_id = $3"  # noqa: S608 -- ours
_VISIBLE_SUITE = f"""
SELECT 1 FROM suites s WHERE {VISIBLE_SUITE} AND s.suite_id = $3
"""  # noqa: S608 -- ours
_OWNED_SUITE = f"SELECT 1 FROM suites s WHERE {OWNED_SUITE} AND s.suite_id = $3"  # noqa: S608 -- ours

# Weaker than FOR UPDATE: a preparation that stores items is not waited for.
_LOCK_RUN = f"""
SELECT r.state FROM runs r WHERE {OWNED_RUN} AND r.run_id = $3 FOR NO KEY UPDATE
"""  # noqa: S608 -- ours


def owns_suite(caller: Caller) -> ColumnElement[bool]:
    """Return OWNED_SUITE for statements on SuiteRow."""
    return and_(
        col(SuiteRow.deleted_at).is_(None),
        col(SuiteRow.org_id) == caller.org_id,
        col(SuiteRow.team_id) == caller.team_id,
    )


def sees_suite(caller: Caller) -> ColumnElement[bool]:
    """Return VISIBLE_SUITE for statements on SuiteRow."""
    owned = and_(col(SuiteRow.org_id) == caller.org_id, col(SuiteRow.team_id) == caller.team_id)
    share = exists().where(
        col(SuiteShareRow.suite_id) == col(SuiteRow.suite_id),
        col(SuiteShareRow.org_id) == caller.org_id,
    )
    return and_(col(SuiteRow.deleted_at).is_(None), or_(owned, share))


def ways_to_see_suites(caller: Caller) -> Sequence[ColumnElement[bool]]:
    """Return what `sees_suite` has in one condition as several, of which a suite meets one.

    For lists: each has its index, and none reads the suites of all teams.
    """
    shares = select(SuiteShareRow.suite_id).where(col(SuiteShareRow.org_id) == caller.org_id)
    shared = and_(col(SuiteRow.deleted_at).is_(None), col(SuiteRow.suite_id).in_(shares))
    return owns_suite(caller), shared


async def visible_run(connection: RawConnection, caller: Caller, run_id: str) -> Run:
    """Return a run as the caller may see it, or raise RunNotFound."""
    row = None
    if is_id(run_id, IdPrefix.RUN):
        statement = f"{RUN_SELECT} WHERE {VISIBLE_RUN} AND r.run_id = $3"
        row = await connection.fetchrow(statement, caller.org_id, caller.team_id, run_id)
    if row is None:
        raise RunNotFound(run_id)
    return seen_by(caller, run_from(row))


def seen_by(caller: Caller, run: Run) -> Run:
    """Return a visible run without what stays with its team: its artifact files."""
    if (run.org_id, run.team_id) == (caller.org_id, caller.team_id):
        return run
    return replace(run, result_file_id=None, samples_file_id=None)


async def locked_run(connection: RawConnection, caller: Caller, run_id: str) -> RunState:
    """Lock a run of the caller's team that is to be changed; return its state.

    Raises:
        RunNotFound: the caller sees no such run.
        SharedReadOnly: it is another organisation's.
    """
    state = None
    of_caller = (caller.org_id, caller.team_id, run_id)
    if is_id(run_id, IdPrefix.RUN):
        state = await connection.fetchval(_LOCK_RUN, *of_caller)
        if state is None and await connection.fetchval(_VISIBLE_RUN, *of_caller):
            raise SharedReadOnly(run_id)
    if state is None:
        raise RunNotFound(run_id)
    return RunState(state)


async def require_visible_suite(connection: RawConnection, caller: Caller, suite_id: str) -> None:
    """Refuse a suite that the caller does not see: SuiteNotFound."""
    if not is_id(suite_id, IdPrefix.SUITE) or not await connection.fetchval(
        _VISIBLE_SUITE, caller.org_id, caller.team_id, suite_id
    ):
        raise SuiteNotFound(suite_id)


async def require_owned_suite(
    connection: RawConnection, caller: Caller, suite_id: str, *, lock: str = ""
) -> None:
    """Refuse a suite that is not the caller's to change, before it is changed.

    Args:
        connection: In the transaction of the change, when there is a lock.
        caller: Who wants to change it.
        suite_id: Which suite.
        lock: Locking clause, such as `FOR UPDATE`.

    Raises:
        SuiteNotFound: the caller sees no such suite.
        SharedReadOnly: it is another organisation's.
    """
    if is_id(suite_id, IdPrefix.SUITE):
        of_caller = (caller.org_id, caller.team_id, suite_id)
        if await connection.fetchval(f"{_OWNED_SUITE} {lock}", *of_caller):
            return
        if await connection.fetchval(_VISIBLE_SUITE, *of_caller):
            raise SharedReadOnly(suite_id)
    raise SuiteNotFound(suite_id)
