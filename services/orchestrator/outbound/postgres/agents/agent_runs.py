"""Runs of agents in Postgres: recorded, added to, and added up in the same transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import orjson

from orchestrator.domain import requests
from orchestrator.domain.agents.record import AgentRunDraft
from orchestrator.domain.agents.trial import (
    RUN_TRIALS_MAX,
    RunNotRecorded,
    TooManyTrials,
    Trial,
    trial_problems,
)
from orchestrator.domain.ids import IdPrefix
from orchestrator.domain.metrics import GroupResult
from orchestrator.domain.requests import (
    GENERATION_CONCURRENCY_DEFAULT,
    GRADER_CONCURRENCY_DEFAULT,
)
from orchestrator.domain.run import Run, RunOrigin
from orchestrator.domain.run_states import RunEvent, RunState, next_state
from orchestrator.domain.suite import SuiteNotFound, VersionRef
from orchestrator.domain.tokens import sum_tokens
from orchestrator.domain.work import RunStep
from orchestrator.outbound.postgres import messages
from orchestrator.outbound.postgres.agents.trial_rows import write_trials
from orchestrator.outbound.postgres.messages import Fact, RunAnnouncer
from orchestrator.outbound.postgres.results import read_groups
from orchestrator.outbound.postgres.run_insertion import SUITE_STANDS
from orchestrator.outbound.postgres.run_records import read_run
from orchestrator.outbound.postgres.visibility import OWNED_RUN, locked_run
from orchestrator.ports.agents import MetricsOf
from pgstore.database import Database, RawConnection
from servicekit.caller import Caller
from servicekit.ids import new_id

_BY_KEY = f"""
SELECT r.run_id, r.request_sha256 FROM runs r WHERE {OWNED_RUN} AND r.idempotency_key = $3
"""  # noqa: S608 -- ours
# Prepared from the start: nobody is to prepare it. It has no shards, so nobody works on it.
_ADD_RUN = """
INSERT INTO runs (run_id, org_id, team_id, on_behalf_of, suite_id, suite_version, suite_version_id,
                  state, models, task_ids, generation, generation_concurrency, grader_concurrency,
                  metadata, run_token, total, completed, failed, prepared_at, dispatched_at,
                  created_at, started_at, origin, agent_name, agent_version, agent_effort,
                  given_cost_usd, expected_trials, idempotency_key, request_sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'in_progress', $8, '{}', '{}', $9, $10, $11, '', 0, 0, 0, now(),
        now(), $12, $12, 'agent', $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (org_id, team_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND deleted_at IS NULL
DO NOTHING
RETURNING run_id
"""
# No grader and no extraction: nothing of it is ever run.
_ADD_TASKS = """
INSERT INTO run_tasks (run_id, task_ord, task_id, grader, extraction, aggregate)
SELECT $1, u.place - 1, u.task_id, '{}', '{}', false
FROM unnest($2::text[]) WITH ORDINALITY AS u(task_id, place)
"""
_ORIGIN = "SELECT origin FROM runs WHERE run_id = $1"
_TASKS = "SELECT task_id, task_ord FROM run_tasks WHERE run_id = $1 ORDER BY task_ord"
# numeric: the order of the trials does not show in the sum.
_ADD_UP = """
UPDATE runs SET
    state = $2, ended_at = NULL, error_code = NULL, error_message = NULL, error_stage = NULL,
    metrics = $3, task_ids = $4, total = greatest($5, expected_trials), completed = $6, failed = $7,
    input_tokens = $8, output_tokens = $9, cached_tokens = $10, reasoning_tokens = $11,
    cost_usd = coalesce(given_cost_usd, (
        SELECT sum(cost_usd::numeric)::float8 FROM samples WHERE run_id = $1)),
    lease_until = NULL, dispatched_at = now(), dispatches = 1
WHERE run_id = $1
"""


class PostgresAgentRuns:
    """See `ports.agents.AgentRuns`."""

    def __init__(self, database: Database, announcer: RunAnnouncer) -> None:
        self._database = database
        self._announcer = announcer

    async def find(self, caller: Caller, idempotency_key: str) -> tuple[Run, str] | None:
        """Return the run of a key; see `ports.agents.AgentRuns`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_BY_KEY, caller.org_id, caller.team_id, idempotency_key)
            if row is None:
                return None
            return await read_run(connection, row["run_id"]), row["request_sha256"]

    async def add(
        self,
        caller: Caller,
        draft: AgentRunDraft,
        version: VersionRef,
        *,
        created_at: datetime,
        metrics_of: MetricsOf,
    ) -> Run | None:
        """Store a run with its trials; see `ports.agents.AgentRuns`."""
        run_id = new_id(IdPrefix.RUN)
        async with self._database.connection() as connection, connection.transaction():
            if await connection.fetchval(SUITE_STANDS, version.suite_id) is None:
                raise SuiteNotFound(version.suite_id)
            values = _values(caller, run_id, draft, version, created_at)
            if await connection.fetchval(_ADD_RUN, *values) is None:
                return None
            await connection.execute(_ADD_TASKS, run_id, list(version.task_ids))
            await write_trials(connection, run_id, draft.trials, _places(version.task_ids))
            await _add_up(
                connection,
                run_id,
                _after(RunState.IN_PROGRESS, finalize=draft.finalize),
                version.task_ids,
                metrics_of,
            )
            run = await read_run(connection, run_id)
            if not draft.finalize:
                await self._announcer.announce(connection, Fact.STARTED, run)
        return run

    async def append(
        self,
        caller: Caller,
        run_id: str,
        trials: Sequence[Trial],
        *,
        finalize: bool,
        metrics_of: MetricsOf,
    ) -> Run:
        """Store trials and add up again; see `ports.agents.AgentRuns`."""
        async with self._database.connection() as connection, connection.transaction():
            # The row's lock: whoever appends, completes, cancels or deletes takes turns.
            state = await locked_run(connection, caller, run_id)
            if await connection.fetchval(_ORIGIN, run_id) != RunOrigin.AGENT:
                raise RunNotRecorded(run_id)
            opened = next_state(state, RunEvent.ADD_TRIALS)
            rows = await connection.fetch(_TASKS, run_id)
            places = {row["task_id"]: row["task_ord"] for row in rows}
            requests.require(trial_problems(trials, places))
            await write_trials(connection, run_id, trials, places)
            after = _after(opened, finalize=finalize)
            await _add_up(connection, run_id, after, places, metrics_of)
            return await read_run(connection, run_id)

    async def hand_over(self, run_id: str) -> None:
        """Ask for a worker to finalise a run."""
        async with self._database.connection() as connection:
            team = await messages.read_team(connection, run_id)
            await messages.send_step(connection, run_id, RunStep.FINALIZE, team=team)


def _after(state: RunState, *, finalize: bool) -> RunState:
    return next_state(state, RunEvent.SAMPLES_ENDED) if finalize else state


def _places(task_ids: Sequence[str]) -> Mapping[str, int]:
    return {task_id: place for place, task_id in enumerate(task_ids)}


async def _add_up(
    connection: RawConnection,
    run_id: str,
    state: RunState,
    task_ids: Collection[str],
    metrics_of: MetricsOf,
) -> None:
    groups = await read_groups(connection, run_id)
    total = sum(group.counts.total for group in groups)
    if total > RUN_TRIALS_MAX:
        raise TooManyTrials
    tokens = sum_tokens(group.tokens for group in groups)
    await connection.execute(
        _ADD_UP,
        run_id,
        state,
        metrics_of(groups).decode() if groups else None,
        _covered(groups, task_ids),
        total,
        sum(group.counts.completed for group in groups),
        sum(group.counts.failed for group in groups),
        tokens.input,
        tokens.output,
        tokens.cached,
        tokens.reasoning,
    )


def _covered(groups: Sequence[GroupResult], task_ids: Collection[str]) -> list[str] | None:
    """Return the tasks that have trials; None when all have, which makes the run a whole sweep."""
    tried = {group.task_id for group in groups}
    return None if tried.issuperset(task_ids) else [one for one in task_ids if one in tried]


def _values(
    caller: Caller, run_id: str, draft: AgentRunDraft, version: VersionRef, created_at: datetime
) -> Sequence[object]:
    return (
        run_id,
        caller.org_id,
        caller.team_id,
        caller.on_behalf_of,
        version.suite_id,
        version.version,
        version.id,
        [draft.model],
        GENERATION_CONCURRENCY_DEFAULT,
        GRADER_CONCURRENCY_DEFAULT,
        orjson.dumps(dict(draft.metadata)).decode(),
        created_at,
        draft.agent.name,
        draft.agent.version,
        draft.agent.effort,
        draft.cost_usd,
        draft.expected_trials,
        draft.idempotency_key or None,
        draft.sha256() if draft.idempotency_key else None,
    )
