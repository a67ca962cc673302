"""Trials as items and samples; a trial takes the place of an earlier one with its task and index.

What was a trial's sample stays the same sample, so that its trajectory stays with it.
"""

from collections.abc import Iterable, Mapping, Sequence

import orjson

from orchestrator.domain.agents.timings import agent_seconds
from orchestrator.domain.agents.trial import Trial
from orchestrator.domain.text import storable
from pgstore.database import RawConnection

# A recorded run has one model, so an item is one sample's.
_ITEMS = """
INSERT INTO items (run_id, task_ord, sample_index, dataset_row, prompt, target)
SELECT $1, u.task_ord, u.sample_index, 'null', u.prompt, u.target
FROM unnest($2::smallint[], $3::int[], $4::text[], $5::text[])
    AS u(task_ord, sample_index, prompt, target)
ORDER BY u.task_ord, u.sample_index
ON CONFLICT (run_id, task_ord, sample_index) DO UPDATE SET
    prompt = excluded.prompt, target = excluded.target
"""
# The key is that of domain.ids.sample_key.
_SAMPLES = """
INSERT INTO samples (run_id, task_ord, model_ord, sample_index, sample_key, state, output_text,
                     scores, error_code, error_message, error_details, input_tokens, output_tokens,
                     cached_tokens, reasoning_tokens, cost_usd, phase_timings, agent_s, recorded,
                     created_at, ended_at)
SELECT $1, u.task_ord, 0, u.sample_index,
       md5(concat_ws('/', $1::text, u.task_ord, 0, u.sample_index))::uuid,
       u.state, u.output_text, u.scores, u.error_code, u.error_message, u.error_details,
       u.input_tokens, u.output_tokens, u.cached_tokens, u.reasoning_tokens, u.cost_usd,
       u.phase_timings, u.agent_s, true, now(), now()
FROM unnest($2::smallint[], $3::int[], $4::text[], $5::text[], $6::jsonb[], $7::text[], $8::text[],
            $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::float8[],
            $15::text[], $16::float8[])
    AS u(task_ord, sample_index, state, output_text, scores, error_code, error_message,
         error_details, input_tokens, output_tokens, cached_tokens, reasoning_tokens, cost_usd,
         phase_timings, agent_s)
ORDER BY u.task_ord, u.sample_index
ON CONFLICT (run_id, task_ord, model_ord, sample_index) DO UPDATE SET
    state = excluded.state, output_text = excluded.output_text, scores = excluded.scores,
    error_code = excluded.error_code, error_message = excluded.error_message,
    error_details = excluded.error_details, input_tokens = excluded.input_tokens,
    output_tokens = excluded.output_tokens, cached_tokens = excluded.cached_tokens,
    reasoning_tokens = excluded.reasoning_tokens, cost_usd = excluded.cost_usd,
    phase_timings = excluded.phase_timings, agent_s = excluded.agent_s,
    ended_at = excluded.ended_at
"""

# Of an error that has no `code` of its own.
_ERROR_CODE = "trial_error"


async def write_trials(
    connection: RawConnection, run_id: str, trials: Sequence[Trial], task_ords: Mapping[str, int]
) -> None:
    """Store trials in the caller's transaction; `task_ords` has every task's place."""
    if not trials:
        return
    items = (_item(trial, task_ords[trial.task_id]) for trial in trials)
    await connection.execute(_ITEMS, run_id, *_columns(items))
    samples = (_sample(trial, task_ords[trial.task_id]) for trial in trials)
    await connection.execute(_SAMPLES, run_id, *_columns(samples))


def _columns(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _item(trial: Trial, task_ord: int) -> Sequence[object]:
    target = None if trial.target is None else storable(trial.target)
    return (task_ord, trial.sample_index, storable(trial.prompt), target)


def _sample(trial: Trial, task_ord: int) -> Sequence[object]:
    tokens = trial.tokens
    scores = {storable(metric): value for metric, value in trial.scores.items()}
    return (
        task_ord,
        trial.sample_index,
        trial.state,
        None if trial.output_text is None else storable(trial.output_text),
        orjson.dumps(scores).decode(),
        *_error(trial.error_json),
        tokens.input,
        tokens.output,
        tokens.cached,
        tokens.reasoning,
        trial.cost_usd,
        trial.phase_timings_json.decode() or None,
        agent_seconds(trial.phase_timings_json),
    )


def _error(error_json: bytes) -> Sequence[str | None]:
    """Return what can be made of an error: its code and message, and the error as it is."""
    if not error_json:
        return (None, None, None)
    error = orjson.loads(error_json)
    code, message = error.get("code"), error.get("message")
    return (
        code if isinstance(code, str) and code else _ERROR_CODE,
        message if isinstance(message, str) else "",
        error_json.decode(),
    )
