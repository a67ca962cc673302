"""Items, samples and shards of a run that is being prepared."""

from collections.abc import Mapping, Sequence

from orchestrator.domain.run_states import RunState
from orchestrator.domain.sharding import PlannedShard, TaskSize
from orchestrator.domain.standing import Standing, Standings, beginning, first_epoch
from orchestrator.domain.work import Item, Lease, PreparedTask
from orchestrator.outbound.postgres.dispatch import advance
from orchestrator.outbound.postgres.fences import hold
from orchestrator.outbound.postgres.planner import tell_planner
from orchestrator.outbound.postgres.run_changes.stopping import RunStopper
from orchestrator.outbound.postgres.run_steps import lock_held
from pgstore.copying import copy_rows
from pgstore.database import Database, RawConnection

_ITEM_COLUMNS = (
    "run_id",
    "task_ord",
    "sample_index",
    "dataset_row",
    "prompt",
    "target",
    "choices",
    "error_code",
    "error_message",
    "audio",
)
_SHARD_COLUMNS = (
    "run_id",
    "shard_no",
    "kind",
    "state",
    "task_ord",
    "model_ord",
    "from_index",
    "to_index",
    "completed",
    "failed",
    "epoch",
)

_PREPARED = "SELECT task_ord, item_count, aggregate FROM run_tasks WHERE run_id = $1"

_ADD_TASK = """
INSERT INTO run_tasks (run_id, task_ord, task_id, grader, extraction, aggregate, item_count,
                       audio_column, transcription, embedding)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
# The key is that of domain.ids.sample_key: a sample has the same id however often it is made.
_MAKE_SAMPLES = """
INSERT INTO samples (run_id, task_ord, model_ord, sample_index, sample_key, state, error_code,
                     error_message, error_stage, created_at, ended_at)
SELECT i.run_id, i.task_ord, m.model_ord, i.sample_index,
       md5(concat_ws('/', i.run_id, i.task_ord, m.model_ord, i.sample_index))::uuid,
       CASE WHEN i.error_code IS NULL THEN 'queued' ELSE 'failed' END,
       i.error_code, i.error_message, CASE WHEN i.error_code IS NOT NULL THEN 'prepare' END,
       now(), CASE WHEN i.error_code IS NOT NULL THEN now() END
FROM items i
CROSS JOIN generate_series(0, (SELECT cardinality(models) - 1 FROM runs WHERE run_id = $1))
    AS m(model_ord)
WHERE i.run_id = $1 AND i.task_ord = $2
"""
# Ranges are counted outside: no plan can make a product of shards and samples.
_STANDINGS = """
SELECT task_ord, model_ord,
       CASE WHEN state = 'completed' THEN 'completed'
            WHEN state <> 'failed' THEN 'ready'
            WHEN error_stage IN ('prepare', 'generate') THEN 'not_generated'
            ELSE 'not_scored' END AS standing,
       array_agg(sample_index ORDER BY sample_index) AS indices
FROM samples WHERE run_id = $1 AND state <> 'queued'
GROUP BY task_ord, model_ord, standing
"""
# From here on the shards have the counts.
_COMPLETE = """
UPDATE runs SET prepared_at = now(), lease_until = NULL, mishaps = 0, completed = NULL,
                failed = NULL, total = (SELECT count(*) FROM samples WHERE run_id = $1)
WHERE run_id = $1
RETURNING total
"""
_EDITION = "SELECT edition FROM runs WHERE run_id = $1"


class PostgresPreparations:
    """What preparing a run makes."""

    def __init__(self, database: Database, stopper: RunStopper) -> None:
        self._database = database
        self._stopper = stopper

    async def prepared(self, lease: Lease) -> Mapping[int, TaskSize]:
        """Return the tasks that an earlier attempt completed, by their place in the manifest."""
        async with self._database.connection() as connection, connection.transaction():
            await hold(connection, lease)
            return {
                row["task_ord"]: TaskSize(
                    task_ord=row["task_ord"],
                    item_count=row["item_count"],
                    aggregate=row["aggregate"],
                )
                for row in await connection.fetch(_PREPARED, lease.run_id)
            }

    async def clear_task(self, lease: Lease, task_ord: int) -> None:
        """Drop what an interrupted attempt left of a task."""
        async with self._database.connection() as connection, connection.transaction():
            await hold(connection, lease)
            statement = "DELETE FROM items WHERE run_id = $1 AND task_ord = $2"
            await connection.execute(statement, lease.run_id, task_ord)

    async def add_items(self, lease: Lease, task_ord: int, items: Sequence[Item]) -> None:
        """Append items of a task."""
        rows = (
            (
                lease.run_id,
                task_ord,
                item.sample_index,
                item.row_json,
                item.prompt,
                item.target,
                item.choices_json,
                item.error_code,
                item.error_message,
                item.audio,
            )
            for item in items
        )
        async with self._database.connection() as connection, connection.transaction():
            await hold(connection, lease)
            await copy_rows(connection, "items", _ITEM_COLUMNS, rows)

    async def complete_task(self, lease: Lease, task: PreparedTask) -> None:
        """Make a task's samples, one an item and model."""
        async with self._database.connection() as connection, connection.transaction():
            await hold(connection, lease)
            await connection.execute(
                _ADD_TASK,
                lease.run_id,
                task.task_ord,
                task.task_id,
                task.grader_json.decode(),
                task.extraction_json.decode(),
                task.aggregate,
                task.item_count,
                task.audio_column,
                task.transcription_json.decode() if task.transcription_json else None,
                task.embedding_json.decode() if task.embedding_json else None,
            )
            await connection.execute(_MAKE_SAMPLES, lease.run_id, task.task_ord)

    async def complete(self, lease: Lease, plan: Sequence[PlannedShard]) -> None:
        """Store the shards, dispatch the first of them, and let go of the lease."""
        async with self._database.connection() as connection:
            async with connection.transaction():
                state = await lock_held(connection, lease)
                standings = await _standings(connection, lease.run_id)
                epoch = first_epoch(await connection.fetchval(_EDITION, lease.run_id))
                rows = (_shard_row(lease.run_id, shard, standings, epoch) for shard in plan)
                await copy_rows(connection, "shards", _SHARD_COLUMNS, rows)
                total = await connection.fetchval(_COMPLETE, lease.run_id)
                if state is RunState.IN_PROGRESS:
                    await advance(connection, lease.run_id, state)
                elif state is RunState.CANCELLING:
                    await self._stopper.settle(connection, lease.run_id)
            await tell_planner(connection, total)


async def _standings(connection: RawConnection, run_id: str) -> Standings:
    found: dict[tuple[int, int], dict[Standing, Sequence[int]]] = {}
    for row in await connection.fetch(_STANDINGS, run_id):
        group = found.setdefault((row["task_ord"], row["model_ord"]), {})
        group[Standing(row["standing"])] = row["indices"]
    return found


def _shard_row(
    run_id: str, shard: PlannedShard, standings: Standings, epoch: int
) -> Sequence[object]:
    begins = beginning(shard, standings)
    return (
        run_id,
        shard.shard_no,
        shard.kind,
        begins.state,
        shard.task_ord,
        shard.model_ord,
        shard.from_index,
        shard.to_index,
        begins.completed,
        begins.failed,
        epoch,
    )
