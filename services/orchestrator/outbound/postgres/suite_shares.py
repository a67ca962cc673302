"""Shares of suites in Postgres."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.domain.ids import IdPrefix
from orchestrator.domain.suite import SuiteNotFound
from orchestrator.domain.suite_share import (
    SHARES_MAX,
    SharedReadOnly,
    ShareNotFound,
    SuiteShare,
    TooManyShares,
)
from orchestrator.outbound.postgres.visibility import require_owned_suite
from pgstore.database import Database, RawConnection
from servicekit.caller import Caller
from servicekit.clock import Clock
from servicekit.ids import new_id

_COLUMNS = "share_id, suite_id, org_id, granted_by, created_at"
_ALL = f"""
SELECT {_COLUMNS} FROM suite_shares WHERE suite_id = $1 ORDER BY created_at, share_id
"""  # noqa: S608 -- ours
_ONE = f"SELECT {_COLUMNS} FROM suite_shares WHERE suite_id = $1 AND org_id = $2"  # noqa: S608
_COUNT = "SELECT count(*) FROM suite_shares WHERE suite_id = $1"
_INSERT = f"""
INSERT INTO suite_shares ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5)
"""  # noqa: S608 -- ours
_DELETE = f"""
DELETE FROM suite_shares WHERE suite_id = $1 AND org_id = $2 RETURNING {_COLUMNS}
"""  # noqa: S608 -- ours

# Those who add wait for each other, so that they count right; runs that start do not wait.
_LOCK = "FOR NO KEY UPDATE"


class PostgresSuiteShares:
    """Shares of the caller's team's suites; see `ports.suite_shares.SuiteShares`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def require_own(self, caller: Caller, suite_id: str) -> None:
        """Refuse a suite that the caller's team does not own."""
        async with self._database.connection() as connection:
            await _require_own(connection, caller, suite_id)

    async def list_all(self, caller: Caller, suite_id: str) -> Sequence[SuiteShare]:
        """Return a suite's shares, oldest first."""
        async with self._database.connection() as connection:
            await _require_own(connection, caller, suite_id)
            return [_share(row) for row in await connection.fetch(_ALL, suite_id)]

    async def add(self, caller: Caller, suite_id: str, org_id: str) -> SuiteShare:
        """Share with an organisation and return the share, or the one that there was."""
        async with self._database.connection() as connection, connection.transaction():
            await _require_own(connection, caller, suite_id, lock=_LOCK)
            row = await connection.fetchrow(_ONE, suite_id, org_id)
            if row is not None:
                return _share(row)
            if await connection.fetchval(_COUNT, suite_id) >= SHARES_MAX:
                message = f"a suite can be shared with at most {SHARES_MAX} organisations"
                raise TooManyShares(message, suite_id=suite_id)
            share = SuiteShare(
                id=new_id(IdPrefix.SHARE),
                suite_id=suite_id,
                org_id=org_id,
                granted_by=caller.key_id,
                created_at=self._clock.utc_now(),
            )
            values = (share.id, share.suite_id, share.org_id, share.granted_by, share.created_at)
            await connection.execute(_INSERT, *values)
            return share

    async def remove(self, caller: Caller, suite_id: str, org_id: str) -> SuiteShare:
        """End a share and return what it was, or raise ShareNotFound."""
        async with self._database.connection() as connection, connection.transaction():
            await _require_own(connection, caller, suite_id)
            row = await connection.fetchrow(_DELETE, suite_id, org_id)
        if row is None:
            raise ShareNotFound(suite_id, org_id)
        return _share(row)


async def _require_own(
    connection: RawConnection, caller: Caller, suite_id: str, *, lock: str = ""
) -> None:
    try:
        await require_owned_suite(connection, caller, suite_id, lock=lock)
    except SharedReadOnly:
        # Who else it is shared with is not theirs to know.
        raise SuiteNotFound(suite_id) from None


def _share(row: Mapping[str, Any]) -> SuiteShare:
    return SuiteShare(
        id=row["share_id"],
        suite_id=row["suite_id"],
        org_id=row["org_id"],
        granted_by=row["granted_by"],
        created_at=row["created_at"],
    )
