"""Runs that have ended, written straight into the tables."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson

from integration.orchestrator.outbound.postgres.stores import NOW, Stores

_RUN = """
INSERT INTO runs (run_id, org_id, team_id, on_behalf_of, suite_id, suite_version, suite_version_id,
                  state, models, task_ids, generation, generation_concurrency, grader_concurrency,
                  metadata, run_token, dispatched_at, created_at, ended_at, origin, agent_name,
                  agent_version, agent_effort, cost_usd)
SELECT $1, s.org_id, s.team_id, '', s.suite_id, $3, v.suite_version_id, $4::text, $5, $6, '{}', 4,
       2, '{}', 'token', $7::timestamptz, $7, CASE WHEN $4 = 'completed' THEN $7::timestamptz END,
       CASE WHEN $8::text IS NULL THEN 'executed' ELSE 'agent' END, $8, $9, $10, $11
FROM suites s JOIN suite_versions v USING (suite_id) WHERE s.suite_id = $2
"""
_SAMPLE = """
INSERT INTO samples (run_id, task_ord, model_ord, sample_index, sample_key, state, scores,
                     error_code, cost_usd, input_tokens, output_tokens, agent_s, output_text,
                     reasoning, created_at, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
        CASE WHEN $6 IN ('completed', 'failed') THEN $15::timestamptz END)
"""
_ITEM = """
INSERT INTO items (run_id, task_ord, sample_index, dataset_row, prompt)
VALUES ($1, $2, $3, '{}', $4) ON CONFLICT DO NOTHING
"""
_TRAJECTORY = """
INSERT INTO trajectories (sample_key, run_id, schema_version, step_count, size_bytes, steps,
                          stored_at)
VALUES ($1, $2, 'ATIF-v1.7', $3, 2, '[]', now())
"""


async def new_suite(stores: Stores) -> str:
    """A suite with one version and a queued run that no board shows."""
    run_id = await stores.add_run()
    ((suite_id,),) = await stores.query("SELECT suite_id FROM runs WHERE run_id = $1", run_id)
    return str(suite_id)


async def add_run(
    stores: Stores,
    suite_id: str,
    *,
    minute: int = 0,
    models: Sequence[str] = ("model",),
    task_ids: Sequence[str] | None = None,
    version: int = 1,
    state: str = "completed",
    run_id: str = "",
    **agent: Any,
) -> str:
    """A run without samples; those of a later minute are newer."""
    run_id = run_id or f"eval_run_{uuid4().hex}"
    tasks = None if task_ids is None else list(task_ids)
    await stores.execute(
        _RUN,
        *(run_id, suite_id, version, state, list(models), tasks, at(minute)),
        *(agent.get(key) for key in ("agent_name", "agent_version", "agent_effort", "cost_usd")),
    )
    await stores.execute(
        "INSERT INTO run_tasks VALUES ($1, 0, 'task', '{}', '{}', false, NULL)", run_id
    )
    return run_id


async def add_sample(
    stores: Stores,
    run_id: str,
    index: int = 0,
    *,
    state: str = "completed",
    scores: dict[str, Any] | None = None,
    steps: int | None = None,
    prompt: str = "",
    **columns: Any,
) -> str:
    """A sample of the run's one task."""
    key = uuid4()
    await stores.execute(_ITEM, run_id, 0, index, prompt)
    await stores.execute(
        _SAMPLE,
        *(
            run_id,
            0,
            columns.get("model_ord", 0),
            index,
            key,
            state,
            orjson.dumps(scores or {}).decode(),
        ),
        columns.get("error_code", "model_error" if state == "failed" else None),
        *(columns.get(key) for key in ("cost_usd", "input_tokens", "output_tokens")),
        *(columns.get(key) for key in ("agent_s", "output_text", "reasoning")),
        NOW,
    )
    if steps is not None:
        await stores.execute(_TRAJECTORY, key, run_id, steps)
    return str(key)


def at(minute: int) -> datetime:
    """A moment that is the later the larger `minute` is."""
    return NOW + timedelta(minutes=minute)
