"""A new run: its row, its event and its first work message, in the caller's transaction."""

from datetime import datetime

import orjson

from orchestrator.domain.metrics import Counts
from orchestrator.domain.run import Run, RunRequest
from orchestrator.domain.run_states import RunState
from orchestrator.domain.suite import SuiteNotFound, VersionRef
from orchestrator.domain.tokens import NO_TOKENS
from orchestrator.domain.work import RunStep
from orchestrator.outbound.postgres import messages
from orchestrator.outbound.postgres.messages import Fact, RunAnnouncer
from pgstore.database import RawConnection
from servicekit.caller import Caller, team_of

_INSERT = """
INSERT INTO runs ({columns}) VALUES ({values}) ON CONFLICT (run_id) DO NOTHING RETURNING run_id
"""

# A deletion of the suite waits for us, or we for it.
SUITE_STANDS = "SELECT 1 FROM suites WHERE suite_id = $1 AND deleted_at IS NULL FOR KEY SHARE"


def new_run(
    caller: Caller,
    run_id: str,
    request: RunRequest,
    version: VersionRef,
    *,
    now: datetime,
    schedule_id: str = "",
) -> Run:
    """Make a run that is queued; `schedule_id` is empty when somebody started it."""
    return Run(
        id=run_id,
        org_id=caller.org_id,
        team_id=caller.team_id,
        on_behalf_of=caller.on_behalf_of,
        suite_id=version.suite_id,
        suite_version=version.version,
        suite_version_id=version.id,
        state=RunState.QUEUED,
        request=request,
        counts=Counts(),
        metrics_json=b"",
        error=None,
        result_file_id=None,
        samples_file_id=None,
        edition=0,
        tokens=NO_TOKENS,
        created_at=now,
        started_at=None,
        ended_at=None,
        schedule_id=schedule_id,
    )


async def insert_run(
    connection: RawConnection, announcer: RunAnnouncer, run: Run, token: str
) -> bool:
    """Store a queued run, announce it and ask for its preparation; False: its id is there already.

    Raises:
        SuiteNotFound: the suite was deleted meanwhile.
    """
    if await connection.fetchval(SUITE_STANDS, run.suite_id) is None:
        raise SuiteNotFound(run.suite_id)
    columns = _columns(run, token)
    statement = _INSERT.format(
        columns=", ".join(columns),
        values=", ".join(f"${number}" for number in range(1, len(columns) + 1)),
    )
    if await connection.fetchval(statement, *columns.values()) is None:
        return False
    await announcer.announce(connection, Fact.QUEUED, run)
    await messages.send_step(connection, run.id, RunStep.PREPARE, team=team_of(run))
    return True


def _columns(run: Run, token: str) -> dict[str, object]:
    request = run.request
    return {
        "run_id": run.id,
        "org_id": run.org_id,
        "team_id": run.team_id,
        "on_behalf_of": run.on_behalf_of,
        "suite_id": run.suite_id,
        "suite_version": run.suite_version,
        "suite_version_id": run.suite_version_id,
        "state": run.state,
        "models": list(request.models),
        "task_ids": None if request.task_ids is None else list(request.task_ids),
        "judge_model": request.judge_model,
        "embedding_model": request.embedding_model,
        "generation": request.generation_json.decode(),
        "generation_concurrency": request.generation_concurrency,
        "grader_concurrency": request.grader_concurrency,
        "max_samples_per_task": request.max_samples_per_task,
        "metadata": orjson.dumps(dict(request.metadata)).decode(),
        "run_token": token,
        "schedule_id": run.schedule_id or None,
        "dispatched_at": run.created_at,
        "created_at": run.created_at,
    }
