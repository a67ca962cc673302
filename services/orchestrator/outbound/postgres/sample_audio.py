"""The audio of samples in Postgres."""

import orjson

from orchestrator.domain.agents.trajectory import SampleAmbiguous, SampleNotFound, SampleRef
from orchestrator.domain.audio import (
    SHOWN_BYTES_MAX,
    AudioNotFound,
    AudioTooLarge,
    ShownAudio,
    audio_of,
)
from orchestrator.domain.text import storable
from orchestrator.outbound.postgres.visibility import visible_run
from pgstore.database import Database
from servicekit.caller import Caller

# A look at the key for each task and model: a run may have a million samples. Two tasks are enough
# to see that there are several.
_FIND = """
SELECT t.task_ord, t.task_id, t.audio_column, found.model_ord
FROM run_tasks t CROSS JOIN LATERAL (
    SELECT s.model_ord FROM samples s
    WHERE s.run_id = t.run_id AND s.task_ord = t.task_ord AND s.model_ord = ANY($3::smallint[])
      AND s.sample_index = $2
    ORDER BY s.model_ord LIMIT 1
) found
WHERE t.run_id = $1 AND ($4 = '' OR t.task_id = $4)
LIMIT 2
"""
_READ = """
SELECT audio, CASE WHEN audio IS NULL THEN dataset_row END AS dataset_row FROM items
WHERE run_id = $1 AND task_ord = $2 AND sample_index = $3
"""


class PostgresSampleAudio:
    """Audio of samples that the caller may see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, caller: Caller, ref: SampleRef) -> ShownAudio:
        """Return the audio of a sample's row, as it was before lists left it out.

        Raises:
            RunNotFound: the caller sees no such run.
            SampleNotFound: it has no such sample.
            SampleAmbiguous: several of its tasks have the index, and none was named.
            AudioNotFound: nothing in the row is audio.
            AudioTooLarge: it cannot be shown.
        """
        async with self._database.connection() as connection:
            run = await visible_run(connection, caller, ref.run_id)
            models = run.request.models
            wanted = [n for n, model in enumerate(models) if ref.model in ("", model)]
            task_id = storable(ref.task_id)
            found = await connection.fetch(_FIND, run.id, ref.sample_index, wanted, task_id)
            if not found:
                raise SampleNotFound(run.id, ref.sample_index)
            if len(found) > 1:
                raise SampleAmbiguous(ref.sample_index, "task_id")
            sample = found[0]
            place = (run.id, sample["task_ord"], ref.sample_index)
            (item,) = await connection.fetch(_READ, *place)
        audio = item["audio"] or _in_row(item["dataset_row"], sample["audio_column"])
        if audio is None:
            raise AudioNotFound(run.id, ref.sample_index)
        if (size_bytes := len(audio.encode())) > SHOWN_BYTES_MAX:
            raise AudioTooLarge(size_bytes)
        return ShownAudio(audio, sample["task_id"], models[sample["model_ord"]])


def _in_row(row_json: str, column: str | None) -> str | None:
    row = orjson.loads(row_json or "null")
    return audio_of(row, column) if isinstance(row, dict) else None
