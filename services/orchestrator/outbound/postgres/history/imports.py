"""Imports in Postgres: where one goes, what is there already, and staged samples made runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from orchestrator.domain.history import (
    CommittedHistory,
    HistoricalRun,
    HistoryFile,
    HistoryNotStaged,
    HistoryOrder,
    HistoryStanding,
    HistoryTarget,
    imported_before,
)
from orchestrator.domain.ids import IdPrefix
from orchestrator.domain.metrics import Counts
from orchestrator.domain.requests import (
    GENERATION_CONCURRENCY_DEFAULT,
    GRADER_CONCURRENCY_DEFAULT,
)
from orchestrator.domain.run_states import RunState
from orchestrator.domain.suite import VersionContent
from orchestrator.domain.work import RunStep
from orchestrator.outbound.postgres import messages
from orchestrator.outbound.postgres.history.stages import TASK_ORD
from orchestrator.outbound.postgres.visibility import require_owned_suite
from orchestrator.ports.history import Append
from pgstore.database import Database, RawConnection
from servicekit.caller import Caller, team_of
from servicekit.clock import Clock
from servicekit.ids import new_id

# Two imports that would create the same suite take turns.
_LOCK_NAME = "SELECT pg_advisory_xact_lock(hashtextextended($1, 7))"
_FIND_SUITE = """
SELECT s.suite_id FROM history_suites h JOIN suites s USING (suite_id)
WHERE h.org_id = $1 AND h.team_id = $2 AND h.name = $3 AND h.repo = $4 AND s.deleted_at IS NULL
ORDER BY s.created_at DESC, s.suite_id DESC LIMIT 1
"""
_VERSION = """
SELECT s.latest_version, v.version, v.suite_version_id, v.task_ids, v.manifest
FROM suites s JOIN suite_versions v ON v.suite_id = s.suite_id AND v.version = s.active_version
WHERE s.suite_id = $1
"""
_FILES = """
SELECT h.path, h.commit_id, h.sha256, h.run_id FROM history_runs h JOIN runs r USING (run_id)
WHERE h.suite_id = $1 AND h.repo = $2 AND h.path = ANY($3::text[]) AND r.deleted_at IS NULL
ORDER BY h.path, r.dispatched_at, h.run_id
"""
_ADD_SUITE = """
INSERT INTO suites (suite_id, org_id, team_id, name, description, active_version, latest_version,
                    metadata, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, 1, 1, $6, $7, $7)
"""
_NOTE_SUITE = """
INSERT INTO history_suites (suite_id, org_id, team_id, name, repo) VALUES ($1, $2, $3, $4, $5)
"""
_ADD_VERSION = """
INSERT INTO suite_versions (suite_version_id, suite_id, version, manifest, task_ids,
                            dataset_file_ids, metadata, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_ACTIVATE = """
UPDATE suites SET active_version = $2, latest_version = $2, updated_at = $3 WHERE suite_id = $1
"""
_UNSTAGE = """
DELETE FROM history_stages WHERE run_id = ANY($1::text[]) AND org_id = $2 AND team_id = $3
RETURNING run_id, total, failed
"""
# A run whose samples have all ended; who finalises runs takes it from here.
_ADD_RUN = """
INSERT INTO runs (run_id, org_id, team_id, on_behalf_of, suite_id, suite_version, suite_version_id,
                  state, models, task_ids, generation, generation_concurrency, grader_concurrency,
                  metadata, run_token, total, completed, failed, finish_at, prepared_at,
                  dispatched_at, created_at, started_at, origin)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, '', $15, $16, $17, $18, now(),
        now(), $18, $18, 'imported')
"""
# No grader and no extraction: nothing of it is ever run.
_ADD_TASK = """
INSERT INTO run_tasks (run_id, task_ord, task_id, grader, extraction, aggregate, item_count)
VALUES ($1, $2, $3, '{}', '{}', false, $4)
"""
_NOTE_FILE = """
INSERT INTO history_runs (run_id, suite_id, repo, commit_id, path, sha256)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_UNFINISHED = """
SELECT count(*) FROM runs
WHERE run_id = ANY($1::text[]) AND org_id = $2 AND team_id = $3 AND ended_at IS NULL
  AND deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class _Version:
    """The version that runs are recorded under."""

    suite_id: str
    number: int
    id: str


class PostgresHistory:
    """See `ports.history.History`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def look_up(
        self, caller: Caller, target: HistoryTarget, paths: Sequence[str]
    ) -> HistoryStanding:
        """Tell what the target has; see `ports.history.History`."""
        async with self._database.connection() as connection:
            suite_id = await _suite_of(connection, caller, target)
            return await _standing(connection, suite_id, target.repo, paths)

    async def commit(self, caller: Caller, order: HistoryOrder, append: Append) -> CommittedHistory:
        """Make staged samples runs; see `ports.history.History`."""
        target = order.target
        async with self._database.connection() as connection, connection.transaction():
            suite_id = await _locked_suite(connection, caller, target)
            paths = [run.file.path for run in order.runs]
            standing = await _standing(connection, suite_id, target.repo, paths)
            superseded = imported_before(order.runs, standing.files)
            runs = [run for run in order.runs if run not in superseded]
            missing = _missing(runs, standing)
            version = await self._version(connection, caller, order, standing, missing, append)
            await self._add_runs(connection, caller, target.repo, version, runs)
        return CommittedHistory(
            suite_id=version.suite_id,
            suite_version=version.number,
            created_suite=not standing.suite_id,
            created_suite_version=bool(missing),
            superseded_run_ids=[run.id for run in superseded],
        )

    async def unfinished(self, caller: Caller, run_ids: Sequence[str]) -> int:
        """Count runs that have not ended; see `ports.history.History`."""
        async with self._database.connection() as connection:
            count: int = await connection.fetchval(
                _UNFINISHED, list(run_ids), caller.org_id, caller.team_id
            )
        return count

    async def _version(
        self,
        connection: RawConnection,
        caller: Caller,
        order: HistoryOrder,
        standing: HistoryStanding,
        missing: Sequence[str],
        append: Append,
    ) -> _Version:
        if not missing:
            (row,) = await connection.fetch(_VERSION, standing.suite_id)
            return _Version(standing.suite_id, row["version"], row["suite_version_id"])
        content = append(standing, order, missing)
        now = self._clock.utc_now()
        number = standing.latest_version + 1
        suite_id = standing.suite_id or await _add_suite(connection, caller, order, now)
        version_id = await _add_version(connection, suite_id, number, content, now)
        if standing.suite_id:
            await connection.execute(_ACTIVATE, suite_id, number, now)
        return _Version(suite_id, number, version_id)

    async def _add_runs(
        self,
        connection: RawConnection,
        caller: Caller,
        repo: str,
        version: _Version,
        runs: Sequence[HistoricalRun],
    ) -> None:
        staged = await connection.fetch(
            _UNSTAGE, [run.id for run in runs], caller.org_id, caller.team_id
        )
        counts = {row["run_id"]: _counts(row["total"], row["failed"]) for row in staged}
        for run in runs:
            if run.id not in counts:
                raise HistoryNotStaged("the run's samples are not there", run_id=run.id)
            of_run = counts[run.id]
            await _add_run(connection, caller, version, run, of_run)
            await connection.execute(_ADD_TASK, run.id, TASK_ORD, run.task_id, of_run.total)
            file = run.file
            source = (version.suite_id, repo, file.commit, file.path, file.sha256)
            await connection.execute(_NOTE_FILE, run.id, *source)
            await messages.send_step(connection, run.id, RunStep.FINALIZE, team=team_of(caller))


async def _suite_of(connection: RawConnection, caller: Caller, target: HistoryTarget) -> str:
    if target.suite_id:
        await require_owned_suite(connection, caller, target.suite_id)
        return target.suite_id
    found = await connection.fetchval(
        _FIND_SUITE, caller.org_id, caller.team_id, target.suite_name, target.repo
    )
    return found or ""


async def _locked_suite(connection: RawConnection, caller: Caller, target: HistoryTarget) -> str:
    if not target.suite_id:
        name = orjson.dumps([caller.org_id, caller.team_id, target.suite_name, target.repo])
        await connection.fetchval(_LOCK_NAME, name.decode())
    suite_id = await _suite_of(connection, caller, target)
    if suite_id:  # versions, deletions and other imports wait for us, or we for them
        await require_owned_suite(connection, caller, suite_id, lock="FOR NO KEY UPDATE")
    return suite_id


async def _standing(
    connection: RawConnection, suite_id: str, repo: str, paths: Sequence[str]
) -> HistoryStanding:
    if not suite_id:
        return HistoryStanding()
    (row,) = await connection.fetch(_VERSION, suite_id)
    files = await connection.fetch(_FILES, suite_id, repo, list(paths))
    return HistoryStanding(
        suite_id=suite_id,
        suite_version=row["version"],
        latest_version=row["latest_version"],
        task_ids=row["task_ids"],
        manifest_json=row["manifest"].encode(),
        files=[
            HistoryFile(
                path=file["path"],
                commit=file["commit_id"],
                sha256=file["sha256"],
                run_id=file["run_id"],
            )
            for file in files
        ],
    )


def _missing(runs: Sequence[HistoricalRun], standing: HistoryStanding) -> Sequence[str]:
    wanted = dict.fromkeys(run.task_id for run in runs)
    return [task_id for task_id in wanted if task_id not in standing.task_ids]


async def _add_suite(
    connection: RawConnection, caller: Caller, order: HistoryOrder, now: datetime
) -> str:
    suite_id = new_id(IdPrefix.SUITE)
    name, team = order.target.suite_name, (caller.org_id, caller.team_id)
    labels = orjson.dumps(dict(order.suite_metadata)).decode()
    described = (name, order.suite_description, labels)
    await connection.execute(_ADD_SUITE, suite_id, *team, *described, now)
    await connection.execute(_NOTE_SUITE, suite_id, *team, name, order.target.repo)
    return suite_id


async def _add_version(
    connection: RawConnection, suite_id: str, number: int, content: VersionContent, now: datetime
) -> str:
    version_id = new_id(IdPrefix.SUITE_VERSION)
    await connection.execute(
        _ADD_VERSION,
        version_id,
        suite_id,
        number,
        content.manifest_json.decode(),
        list(content.task_ids),
        list(content.dataset_file_ids),
        orjson.dumps(dict(content.metadata)).decode(),
        now,
    )
    return version_id


async def _add_run(
    connection: RawConnection,
    caller: Caller,
    version: _Version,
    run: HistoricalRun,
    counts: Counts,
) -> None:
    await connection.execute(
        _ADD_RUN,
        run.id,
        caller.org_id,
        caller.team_id,
        caller.on_behalf_of,
        version.suite_id,
        version.number,
        version.id,
        RunState.FINALIZING,
        [run.model],
        [run.task_id],
        run.generation_json.decode(),
        GENERATION_CONCURRENCY_DEFAULT,
        GRADER_CONCURRENCY_DEFAULT,
        orjson.dumps(dict(run.metadata)).decode(),
        counts.total,
        counts.completed,
        counts.failed,
        run.time,
    )


def _counts(total: int, failed: int) -> Counts:
    return Counts(total=total, completed=total - failed, failed=failed)
