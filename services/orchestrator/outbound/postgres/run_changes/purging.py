"""Rows of runs that were deleted long ago, deleted for good."""

from datetime import timedelta

from pgstore.database import Database

# Whatever has rows of a run; the run's own row goes last.
_TABLES = (
    *("samples", "items", "superseded_samples", "trajectories", "embedding_chunks"),
    *("shards", "aggregates", "run_tasks", "history_runs", "history_stages"),
)
# A deleted run is cancelled first, so by now nobody works on it. Replicas take different runs.
_NEXT = """
SELECT run_id FROM runs
WHERE deleted_at < now() - $1::interval AND state IN ('completed', 'failed', 'cancelled')
ORDER BY deleted_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_DELETE_SOME = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {table} WHERE run_id = $1 LIMIT $2
))
"""
_DELETE_RUN = "DELETE FROM runs WHERE run_id = $1"


class PostgresPurges:
    """See `ports.purges.Purges`.

    Args:
        database: Where the tables are.
        rows_max: Most rows of a table that one transaction deletes.
    """

    def __init__(self, database: Database, *, rows_max: int = 5_000) -> None:
        self._database = database
        self._rows_max = rows_max

    async def purge(self, *, kept: timedelta) -> bool:
        """Delete rows of one run; see `ports.purges.Purges`."""
        async with self._database.connection() as connection, connection.transaction():
            run_id = await connection.fetchval(_NEXT, kept)
            if run_id is None:
                return False
            for table in _TABLES:
                statement = _DELETE_SOME.format(table=table)
                done = await connection.execute(statement, run_id, self._rows_max)
                if int(done.rpartition(" ")[2]) == self._rows_max:
                    return True  # there may be more; the next transaction looks
            await connection.execute(_DELETE_RUN, run_id)
        return True
