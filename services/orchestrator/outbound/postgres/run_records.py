"""A run as it is read from its row."""

from collections.abc import Mapping
from typing import Any

import orjson

from orchestrator.domain.failure import Failure
from orchestrator.domain.metrics import Counts
from orchestrator.domain.run import Agent, Run, RunOrigin, RunRequest
from orchestrator.domain.run_states import RunState
from orchestrator.domain.tokens import Tokens
from pgstore.database import RawConnection

# Until a run is finalised its shards have the counts: a few rows instead of all samples.
RUN_SELECT = """
SELECT r.run_id, r.org_id, r.team_id, r.on_behalf_of, r.suite_id, r.suite_version,
       r.suite_version_id, r.state, r.models, r.task_ids, r.judge_model, r.embedding_model,
       r.generation, r.generation_concurrency, r.grader_concurrency, r.max_samples_per_task,
       r.metadata, r.total, coalesce(r.completed, c.completed, 0) AS completed,
       coalesce(r.failed, c.failed, 0) AS failed, r.metrics, r.error_code, r.error_message,
       r.error_stage, r.input_tokens, r.output_tokens, r.cached_tokens, r.reasoning_tokens,
       r.tokens_estimated, r.result_file_id, r.samples_file_id, r.edition, r.created_at,
       r.started_at, r.ended_at, r.origin, r.agent_name, r.agent_version, r.agent_effort,
       r.cost_usd, r.schedule_id
FROM runs r
LEFT JOIN LATERAL (
    SELECT sum(h.completed)::int AS completed, sum(h.failed)::int AS failed
    FROM shards h WHERE h.run_id = r.run_id AND r.completed IS NULL
) c ON true
"""

# About the length of a run's message; it is known without reading the documents.
RUN_BYTES = """
octet_length(r.metadata::text) + octet_length(r.generation) + coalesce(octet_length(r.metrics), 0)
+ coalesce(octet_length(r.error_message), 0) + octet_length(r.models::text)
+ coalesce(octet_length(r.task_ids::text), 0) + 1000
"""

# What an update of a run sets when its shards do not count any more and it has no results: it is
# to be worked on again, or was cancelled. Nothing before it was prepared.
COUNTED = """
    completed = CASE WHEN total > 0 THEN
        (SELECT count(*) FROM samples WHERE run_id = $1 AND state = 'completed') END,
    failed = CASE WHEN total > 0 THEN
        (SELECT count(*) FROM samples WHERE run_id = $1 AND state = 'failed') END,
    metrics = NULL, input_tokens = NULL, output_tokens = NULL, cached_tokens = NULL,
    reasoning_tokens = NULL, tokens_estimated = false
"""


async def read_run(connection: RawConnection, run_id: str) -> Run:
    """Return a run that is known to be there."""
    (row,) = await connection.fetch(f"{RUN_SELECT} WHERE r.run_id = $1", run_id)
    return run_from(row)


def run_from(record: Mapping[str, Any]) -> Run:
    """Make a run of a record of RUN_SELECT."""
    return Run(
        id=record["run_id"],
        org_id=record["org_id"],
        team_id=record["team_id"],
        on_behalf_of=record["on_behalf_of"],
        suite_id=record["suite_id"],
        suite_version=record["suite_version"],
        suite_version_id=record["suite_version_id"],
        state=RunState(record["state"]),
        request=_request(record),
        counts=Counts(
            total=record["total"], completed=record["completed"], failed=record["failed"]
        ),
        metrics_json=(record["metrics"] or "").encode(),
        error=_error(record),
        result_file_id=record["result_file_id"],
        samples_file_id=record["samples_file_id"],
        edition=record["edition"],
        tokens=tokens_from(record),
        created_at=record["created_at"],
        started_at=record["started_at"],
        ended_at=record["ended_at"],
        origin=RunOrigin(record["origin"]),
        agent=_agent(record),
        cost_usd=record["cost_usd"],
        schedule_id=record["schedule_id"] or "",
    )


def tokens_from(record: Mapping[str, Any]) -> Tokens:
    """Read the token columns, which runs and samples both have."""
    return Tokens(
        input=record["input_tokens"],
        output=record["output_tokens"],
        cached=record["cached_tokens"],
        reasoning=record["reasoning_tokens"],
        estimated=record["tokens_estimated"],
    )


def _request(record: Mapping[str, Any]) -> RunRequest:
    return RunRequest(
        models=record["models"],
        task_ids=record["task_ids"],
        judge_model=record["judge_model"],
        embedding_model=record["embedding_model"],
        generation_json=record["generation"].encode(),
        generation_concurrency=record["generation_concurrency"],
        grader_concurrency=record["grader_concurrency"],
        max_samples_per_task=record["max_samples_per_task"],
        metadata=orjson.loads(record["metadata"]),
    )


def _agent(record: Mapping[str, Any]) -> Agent | None:
    if record["agent_name"] is None:
        return None
    return Agent(
        name=record["agent_name"], version=record["agent_version"], effort=record["agent_effort"]
    )


def _error(record: Mapping[str, Any]) -> Failure | None:
    if record["error_code"] is None:
        return None
    return Failure(
        code=record["error_code"], message=record["error_message"], stage=record["error_stage"]
    )
