"""Finished imports in Postgres, and the lock that lets one of equal imports work at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from importer.domain.file import Owner
from pgstore.database import Database

_POLL_S = 0.25

# Held by a session: it is gone when the process is, however that ended.
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended($1, 11))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended($1, 11))"
_FIND = "SELECT answer FROM imports WHERE key = $1 AND finished_at >= $2"
_KEEP = """
INSERT INTO imports (key, org_id, team_id, answer, finished_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (key) DO UPDATE SET answer = excluded.answer, finished_at = excluded.finished_at
"""
_FORGET = "DELETE FROM imports WHERE finished_at < $1"


class PostgresFinishedImports:
    """See `usecases.keep_imports.FinishedImports`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """Let nobody else, in any process, work on the same import; waits for who does."""
        while True:
            async with self._database.connection() as connection:
                if await connection.fetchval(_TRY_LOCK, key):
                    try:
                        yield
                    finally:
                        if not connection.is_closed():
                            await connection.fetchval(_UNLOCK, key)
                    return
            await asyncio.sleep(_POLL_S)

    async def find(self, key: str, *, since: datetime) -> bytes | None:
        """Return the answer of an import that finished since then."""
        async with self._database.connection() as connection:
            answer: bytes | None = await connection.fetchval(_FIND, key, since)
        return answer

    async def keep(self, key: str, owner: Owner, answer: bytes, *, now: datetime) -> None:
        """Keep the answer of an import."""
        async with self._database.connection() as connection:
            await connection.execute(_KEEP, key, owner.org_id, owner.team_id, answer, now)

    async def forget(self, *, before: datetime) -> None:
        """Forget answers that nobody is given any more."""
        async with self._database.connection() as connection:
            await connection.execute(_FORGET, before)
