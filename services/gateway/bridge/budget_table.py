"""The ledger of call budgets in the gateway's own schema."""

import asyncio

from gateway.bridge.budget import next_reservation
from gateway.domain.run_token import RunGrant
from pgstore.database import Database

QUERY_TIMEOUT_S = 5.0
KEPT_DAYS = 61  # no token outlives 30 days and an hour; after that nobody can spend

_KNOW = """
    INSERT INTO run_budgets (run_id, org_id, team_id, reserved_calls)
    VALUES ($1, $2, $3, 0) ON CONFLICT (run_id) DO NOTHING
"""
_LOCK = "SELECT reserved_calls FROM run_budgets WHERE run_id = $1 FOR UPDATE"
_RESERVE = """
    UPDATE run_budgets SET reserved_calls = reserved_calls + $2, updated_at = now()
    WHERE run_id = $1
"""
_GIVE_BACK = """
    UPDATE run_budgets SET reserved_calls = greatest(0, reserved_calls - $2)
    WHERE run_id = $1
"""
_FORGET = "DELETE FROM run_budgets WHERE updated_at < now() - make_interval(days => $1)"


class BudgetTable:
    """Keeps, for each run, how many calls processes have reserved.

    Every method raises StoreUnavailable when Postgres is away, and TimeoutError after 5 s.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, grant: RunGrant, *, most: int) -> int:
        """Reserve up to `most` of the calls left and return how many; 0 when none is left."""
        async with (
            asyncio.timeout(QUERY_TIMEOUT_S),
            self._database.connection() as connection,
            connection.transaction(),
        ):
            await connection.execute(_KNOW, grant.run_id, grant.org_id, grant.team_id)
            reserved = await connection.fetchval(_LOCK, grant.run_id)
            granted = next_reservation(max(0, (grant.max_calls or 0) - reserved), most)
            if granted:
                await connection.execute(_RESERVE, grant.run_id, granted)
            return granted

    async def give_back(self, run_id: str, calls: int) -> None:
        """Return reserved calls that were not made."""
        async with asyncio.timeout(QUERY_TIMEOUT_S), self._database.connection() as connection:
            await connection.execute(_GIVE_BACK, run_id, calls)

    async def forget_old(self) -> None:
        """Delete the rows of runs that nobody can spend on any more."""
        async with asyncio.timeout(QUERY_TIMEOUT_S), self._database.connection() as connection:
            await connection.execute(_FORGET, KEPT_DAYS)
