"""Trajectories in Postgres."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from orchestrator.domain.agents.trajectory import (
    SampleAmbiguous,
    SampleNotFound,
    SampleRef,
    Trajectory,
    TrajectoryNotFound,
)
from orchestrator.domain.run import Run
from orchestrator.domain.text import storable
from orchestrator.outbound.postgres.conditions import Term, conditions
from orchestrator.outbound.postgres.run_records import read_run
from orchestrator.outbound.postgres.visibility import locked_run, visible_run
from pgstore.database import Database, RawConnection
from servicekit.caller import Caller

# Two are enough to see that there are several.
_FIND = """
SELECT s.sample_key, s.model_ord, t.task_id,
       count(*) OVER (PARTITION BY t.task_id) = count(*) OVER () AS same_task
FROM samples s JOIN run_tasks t USING (run_id, task_ord)
WHERE s.run_id = $1 AND s.sample_index = $2{further}
LIMIT 2
"""
_PUT = """
INSERT INTO trajectories (sample_key, run_id, schema_version, step_count, size_bytes, steps, logs,
                          stored_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, now())
ON CONFLICT (sample_key) DO UPDATE SET
    schema_version = excluded.schema_version, step_count = excluded.step_count,
    size_bytes = excluded.size_bytes, steps = excluded.steps, logs = excluded.logs,
    stored_at = excluded.stored_at
"""
_GET = "SELECT schema_version, step_count, steps, logs FROM trajectories WHERE sample_key = $1"
_DROP = "DELETE FROM trajectories WHERE run_id = $1"
_DROP_OF_SUITE = """
DELETE FROM trajectories j USING runs r WHERE r.suite_id = $1 AND j.run_id = r.run_id
"""


class PostgresTrajectories:
    """See `ports.agents.Trajectories`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, caller: Caller, ref: SampleRef, trajectory: Trajectory) -> SampleRef:
        """Store a trajectory; see `ports.agents.Trajectories`."""
        async with self._database.connection() as connection, connection.transaction():
            # A deletion of the run waits for us and takes the trajectory with it, or we find none.
            await locked_run(connection, caller, ref.run_id)
            run = await read_run(connection, ref.run_id)
            key, found = await _sample_of(connection, run, ref)
            await connection.execute(
                _PUT,
                key,
                ref.run_id,
                storable(trajectory.schema_version),
                trajectory.step_count,
                trajectory.size_bytes,
                trajectory.steps_json,
                trajectory.logs_json,
            )
        return found

    async def get(self, caller: Caller, ref: SampleRef) -> tuple[SampleRef, Trajectory]:
        """Return a trajectory; see `ports.agents.Trajectories`."""
        async with self._database.connection() as connection:
            run = await visible_run(connection, caller, ref.run_id)
            key, found = await _sample_of(connection, run, ref)
            row = await connection.fetchrow(_GET, key)
        if row is None:
            raise TrajectoryNotFound(ref.run_id, ref.sample_index)
        return found, Trajectory(
            schema_version=row["schema_version"],
            step_count=row["step_count"],
            steps_json=row["steps"],
            logs_json=row["logs"],
        )


async def drop_trajectories(connection: RawConnection, run_id: str) -> None:
    """Remove the trajectories of a run that is deleted, in the caller's transaction."""
    await connection.execute(_DROP, run_id)


async def drop_trajectories_of_suite(connection: RawConnection, suite_id: str) -> None:
    """Remove the trajectories of all runs of a suite, in the caller's transaction."""
    await connection.execute(_DROP_OF_SUITE, suite_id)


async def _sample_of(connection: RawConnection, run: Run, ref: SampleRef) -> tuple[UUID, SampleRef]:
    further = conditions(_terms(run, ref), first_number=3)
    statement = _FIND.format(further=further.sql)
    rows = await connection.fetch(statement, run.id, ref.sample_index, *further.values)
    if not rows:
        raise SampleNotFound(run.id, ref.sample_index)
    if len(rows) > 1:
        raise SampleAmbiguous(ref.sample_index, "model" if rows[0]["same_task"] else "task_id")
    return rows[0]["sample_key"], _ref(run, ref, rows[0])


def _terms(run: Run, ref: SampleRef) -> Iterator[Term]:
    models = run.request.models
    if ref.task_id:
        yield "t.task_id = {0}", [storable(ref.task_id)]
    if ref.model:
        yield "s.model_ord = {0}::int", [models.index(ref.model) if ref.model in models else -1]


def _ref(run: Run, ref: SampleRef, row: Mapping[str, Any]) -> SampleRef:
    return SampleRef(
        run_id=run.id,
        sample_index=ref.sample_index,
        task_id=row["task_id"],
        model=run.request.models[row["model_ord"]],
    )
