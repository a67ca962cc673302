"""Samples that no run has yet: nobody sees them, as every read begins at a run."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime

import asyncpg

from orchestrator.domain.history import NO_SCORE, NO_SCORE_STAGE, HistoricalSample, HistoryInvalid
from orchestrator.domain.ids import sample_key
from orchestrator.domain.metrics import Counts
from orchestrator.domain.run import RunIdTaken
from orchestrator.domain.sample import SampleState
from orchestrator.domain.text import storable, storable_object
from orchestrator.outbound.postgres.planner import tell_planner
from pgstore.copying import copy_rows
from pgstore.database import Database, RawConnection
from servicekit.caller import Caller

# An imported run has one task and one model.
TASK_ORD = 0
MODEL_ORD = 0

_ITEM_COLUMNS = ("run_id", "task_ord", "sample_index", "dataset_row", "prompt", "target")
_SAMPLE_COLUMNS = (
    "run_id",
    "task_ord",
    "model_ord",
    "sample_index",
    "sample_key",
    "state",
    "output_text",
    "extracted_output",
    "scores",
    "judge",
    "error_code",
    "error_message",
    "error_stage",
    "created_at",
    "started_at",
    "ended_at",
)
_TAKEN = """
SELECT EXISTS (SELECT 1 FROM runs WHERE run_id = $1)
    OR EXISTS (SELECT 1 FROM history_stages WHERE run_id = $1)
"""
_NOTE = """
INSERT INTO history_stages (run_id, org_id, team_id, total, failed, staged_at)
VALUES ($1, $2, $3, $4, $5, now())
"""
# A run that was committed has no stage any more, so what is found here nobody can see.
_ABANDONED = """
DELETE FROM history_stages WHERE run_id IN (
    SELECT run_id FROM history_stages WHERE staged_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING run_id
"""
_DROP_SAMPLES = "DELETE FROM samples WHERE run_id = ANY($1::text[])"
_DROP_ITEMS = "DELETE FROM items WHERE run_id = ANY($1::text[])"


class PostgresHistoryStages:
    """See `ports.history.HistoryStages`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stage(
        self,
        caller: Caller,
        run_id: str,
        time: datetime,
        batches: AsyncIterator[Sequence[HistoricalSample]],
    ) -> Counts:
        """Keep the samples of a future run; see `ports.history.HistoryStages`."""
        async with self._database.connection() as connection:
            async with connection.transaction():
                counts = await _stage(connection, run_id, time, batches)
                team = (caller.org_id, caller.team_id)
                await connection.execute(_NOTE, run_id, *team, counts.total, counts.failed)
            await tell_planner(connection, counts.total)
        return counts

    async def remove_abandoned(self, *, before: datetime, limit: int) -> int:
        """Remove what was never committed; see `ports.history.HistoryStages`."""
        async with self._database.connection() as connection, connection.transaction():
            rows = await connection.fetch(_ABANDONED, before, limit)
            run_ids = [row["run_id"] for row in rows]
            if run_ids:
                await connection.execute(_DROP_SAMPLES, run_ids)
                await connection.execute(_DROP_ITEMS, run_ids)
        return len(run_ids)


async def _stage(
    connection: RawConnection,
    run_id: str,
    time: datetime,
    batches: AsyncIterator[Sequence[HistoricalSample]],
) -> Counts:
    total = failed = 0
    if await connection.fetchval(_TAKEN, run_id):
        raise RunIdTaken("the run id is taken", run_id=run_id)
    try:
        async for batch in batches:
            total += len(batch)
            failed += sum(1 for sample in batch if sample.failure)
            await copy_rows(connection, "items", _ITEM_COLUMNS, _item_rows(run_id, batch))
            samples = _sample_rows(run_id, time, batch)
            await copy_rows(connection, "samples", _SAMPLE_COLUMNS, samples)
    except asyncpg.UniqueViolationError:
        message = "two samples of a run have the same index"
        raise HistoryInvalid(message, run_id=run_id) from None
    return Counts(total=total, completed=total - failed, failed=failed)


def _item_rows(run_id: str, batch: Sequence[HistoricalSample]) -> Iterator[tuple[object, ...]]:
    for sample in batch:
        yield (
            run_id,
            TASK_ORD,
            sample.sample_index,
            sample.row_json.decode(),
            storable(sample.prompt),
            _text(sample.target),
        )


def _sample_rows(
    run_id: str, time: datetime, batch: Sequence[HistoricalSample]
) -> Iterator[tuple[object, ...]]:
    for sample in batch:
        failure = sample.failure
        yield (
            run_id,
            TASK_ORD,
            MODEL_ORD,
            sample.sample_index,
            sample_key(run_id, TASK_ORD, MODEL_ORD, sample.sample_index),
            SampleState.FAILED if failure else SampleState.COMPLETED,
            _text(sample.output_text),
            _text(sample.extracted_output),
            storable_object(sample.scores_json),
            sample.judge_json.decode() or None,
            NO_SCORE if failure else None,
            failure or None,
            NO_SCORE_STAGE if failure else None,
            time,
            time,
            time,
        )


def _text(text: str | None) -> str | None:
    return None if text is None else storable(text)
