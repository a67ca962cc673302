"""Files of runs that nobody is to see any more, noted until the importer has deleted them."""

from collections.abc import Iterable, Sequence

from orchestrator.domain.ids import ArtifactKind, artifact_file_id
from orchestrator.domain.run import DiscardedFile
from pgstore.database import Database, RawConnection

_NOTE = """
INSERT INTO discarded_files (file_id, org_id, team_id, noted_at)
SELECT f.file_id, r.org_id, r.team_id, now()
FROM runs r CROSS JOIN unnest($2::text[]) AS f(file_id) WHERE r.run_id = $1
ON CONFLICT (file_id) DO NOTHING
"""
_ARTIFACTS = """
SELECT edition, finish_at, result_file_id, samples_file_id FROM runs WHERE run_id = $1
"""
_TAKE_AWAY = """
UPDATE runs SET result_file_id = NULL, samples_file_id = NULL, finish_at = NULL WHERE run_id = $1
"""
# Of runs that have not completed there is nothing to see; their end discards what they left.
_NOTE_SUITE = """
INSERT INTO discarded_files (file_id, org_id, team_id, noted_at)
SELECT f.file_id, r.org_id, r.team_id, now()
FROM runs r CROSS JOIN unnest(ARRAY[r.result_file_id, r.samples_file_id]) AS f(file_id)
WHERE r.suite_id = $1 AND r.deleted_at IS NULL AND f.file_id IS NOT NULL
ON CONFLICT (file_id) DO NOTHING
"""
_PENDING = """
SELECT file_id, org_id, team_id FROM discarded_files ORDER BY noted_at, file_id LIMIT $1
"""
_LATER = "UPDATE discarded_files SET noted_at = now() WHERE file_id = $1"
_GONE = "DELETE FROM discarded_files WHERE file_id = $1"


class PostgresDiscards:
    """Files to be deleted by the importer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, *, limit: int) -> Sequence[DiscardedFile]:
        """Return files to delete, those that were noted first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_PENDING, limit)
        return [DiscardedFile(row["file_id"], row["org_id"], row["team_id"]) for row in rows]

    async def gone(self, file_id: str) -> None:
        """Forget a file: it is deleted."""
        async with self._database.connection() as connection:
            await connection.execute(_GONE, file_id)

    async def put_off(self, file_id: str) -> None:
        """Let all others come before a file that cannot be deleted."""
        async with self._database.connection() as connection:
            await connection.execute(_LATER, file_id)


async def discard(connection: RawConnection, run_id: str, file_ids: Iterable[str | None]) -> None:
    """Note files of a run in the caller's transaction; None is none."""
    found = sorted({file_id for file_id in file_ids if file_id})
    if found:
        await connection.execute(_NOTE, run_id, found)


async def discard_artifacts(connection: RawConnection, run_id: str) -> None:
    """Take a run's artifacts away, also those that an unfinished finalisation may have left."""
    (run,) = await connection.fetch(_ARTIFACTS, run_id)
    file_ids = {run["result_file_id"], run["samples_file_id"]}
    if run["finish_at"] is not None:
        file_ids |= {artifact_file_id(run_id, kind, run["edition"]) for kind in ArtifactKind}
    await discard(connection, run_id, file_ids)
    await connection.execute(_TAKE_AWAY, run_id)


async def discard_artifacts_of_suite(connection: RawConnection, suite_id: str) -> None:
    """Note the artifacts of all runs of a suite that are not deleted yet."""
    await connection.execute(_NOTE_SUITE, suite_id)
