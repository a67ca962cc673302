"""Samples as lines of a file, in the shape of the REST contract (C.4).

A run may have a million of them, so a line is made of its row with nothing between the two.
Documents that were stored as JSON are put in as they are, unread.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import orjson

from orchestrator.domain.ids import sample_id
from orchestrator.domain.metrics import JsonObject
from orchestrator.domain.run import Run
from pgstore.database import RawConnection

_BATCH = 1_000
# Of stored texts; the last sample of a batch may be what exceeds it.
_BATCH_BYTES = 4 * 1024 * 1024
# Larger pieces cost page faults, smaller ones messages.
_PIECE_BYTES = 512 * 1024

_ID = sample_id("")
_MEMBERS = (
    *("id", "object", "run_id", "task_id", "model", "sample_index", "status", "dataset_row"),
    *("prompt", "target", "response_id", "output_text", "reasoning", "extracted_output", "scores"),
    *("judge", "error", "cost_usd", "input_tokens", "output_tokens", "cached_tokens"),
    *("reasoning_tokens", "tokens_estimated", "phase_timings", "created_at", "started_at"),
    "completed_at",
)

# Those that are a column as it is, in the order of _SELECT.
_COLUMNS = (
    *("sample_index", "status", "prompt", "target", "response_id", "output_text", "reasoning"),
    *("extracted_output", "cost_usd", "input_tokens", "output_tokens", "cached_tokens"),
    *("reasoning_tokens", "tokens_estimated"),
)

_TASKS = "SELECT task_ord, task_id FROM run_tasks WHERE run_id = $1 ORDER BY task_ord"

# Both tables are bounded above and below, so no plan reads more of them than a batch. Lengths are
# known without reading the texts, so those behind the batch's end are never read.
_SELECT = """
WITH last AS (
    SELECT coalesce((
        SELECT sample_index FROM samples
        WHERE run_id = $1 AND task_ord = $2 AND model_ord = $3 AND sample_index > $4
        ORDER BY sample_index OFFSET $5 - 1 LIMIT 1), 2147483647) AS sample_index
), batch AS (
    SELECT s.sample_index, s.state, i.prompt, i.target, s.response_id, s.output_text, s.reasoning,
           s.extracted_output, s.cost_usd, s.input_tokens, s.output_tokens, s.cached_tokens,
           s.reasoning_tokens, s.tokens_estimated,
           uuid_send(s.sample_key), i.dataset_row, s.scores::text, s.judge, s.error_code,
           s.error_message, s.error_stage, s.error_details, s.recorded, s.phase_timings,
           s.generation_started_at, s.generation_ended_at,
           date_part('epoch', s.created_at) AS created_at,
           date_part('epoch', s.started_at) AS started_at,
           date_part('epoch', s.ended_at) AS ended_at,
           sum(octet_length(i.dataset_row) + octet_length(i.prompt)
               + coalesce(octet_length(i.target), 0) + coalesce(octet_length(s.output_text), 0)
               + coalesce(octet_length(s.reasoning), 0)
               + coalesce(octet_length(s.extracted_output), 0)
               + coalesce(octet_length(s.scores::text), 0) + coalesce(octet_length(s.judge), 0)
               + coalesce(octet_length(s.error_message), 0)
               + coalesce(octet_length(s.error_details), 0)
               + coalesce(octet_length(s.phase_timings), 0)) OVER before AS bytes_before
    FROM samples s
    JOIN items i USING (run_id, task_ord, sample_index)
    WHERE s.run_id = $1 AND s.task_ord = $2 AND s.model_ord = $3 AND s.sample_index > $4
      AND s.sample_index <= (SELECT sample_index FROM last)
      AND i.sample_index > $4 AND i.sample_index <= (SELECT sample_index FROM last)
    WINDOW before AS (
        ORDER BY s.sample_index ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT * FROM batch WHERE coalesce(bytes_before, 0) < $6 ORDER BY sample_index
"""


async def read_lines(connection: RawConnection, run: Run) -> AsyncIterator[bytes]:
    """Yield all samples of a run, one a line, by task, model and index; many lines at a time."""
    lines = bytearray()
    sample: JsonObject = dict.fromkeys(_MEMBERS)
    sample |= {"object": "eval.sample", "run_id": run.id}
    for task_ord, task_id in await connection.fetch(_TASKS, run.id):
        for model_ord, model in enumerate(run.request.models):
            sample |= {"task_id": task_id, "model": model}
            after = -1
            group = (run.id, task_ord, model_ord)
            while rows := await connection.fetch(_SELECT, *group, after, _BATCH, _BATCH_BYTES):
                for row in rows:
                    _fill(sample, row)
                    lines += orjson.dumps(sample, option=orjson.OPT_APPEND_NEWLINE)
                    if len(lines) >= _PIECE_BYTES:
                        yield bytes(lines)
                        lines.clear()
                after = rows[-1]["sample_index"]
    if lines:
        yield bytes(lines)


def _fill(sample: JsonObject, row: Sequence[Any]) -> None:
    """Write a row into an object that has all members already: half the work of a new one."""
    sample.update(zip(_COLUMNS, row, strict=False))
    key, document, scores, judge, code, message, *others = row[len(_COLUMNS) :]
    stage, details, recorded, timings, began, ended, created_at, started_at, ended_at, _ = others
    sample["id"] = _ID + key.hex()
    sample["dataset_row"] = orjson.Fragment(document) if document else None
    sample["scores"] = orjson.Fragment(scores or "{}")
    sample["judge"] = orjson.Fragment(judge) if judge else None
    sample["error"] = _error(code, message, stage, details, recorded=recorded)
    sample["phase_timings"] = _timings(timings, began, ended)
    sample["created_at"] = int(created_at)
    sample["started_at"] = None if started_at is None else int(started_at)
    sample["completed_at"] = None if ended_at is None else int(ended_at)


def _error(
    code: str | None, message: str, stage: str | None, details: str | None, *, recorded: bool
) -> object:
    if details and recorded:
        return orjson.Fragment(details)  # as it was reported
    if code is None:
        return None
    others: JsonObject = orjson.loads(details) if details else {}
    # The fixed members win over details of the same name.
    return {**others, "code": code, "message": message, "stage": stage}


def _timings(reported: str | None, began: datetime | None, ended: datetime | None) -> object:
    if reported:
        return orjson.Fragment(reported)
    if began is None:
        return None
    return {"generation": {"started_at": _iso(began), "finished_at": _iso(ended)}}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
