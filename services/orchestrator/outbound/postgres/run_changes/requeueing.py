"""Putting runs back to work in place: same run, same samples, the next edition."""

from collections.abc import Mapping
from types import MappingProxyType

from orchestrator.domain.run_states import NoFailedSamples, RunEvent, RunState, next_state
from orchestrator.domain.work import RunStep
from orchestrator.outbound.postgres import messages
from orchestrator.outbound.postgres.messages import Fact, RunAnnouncer
from orchestrator.outbound.postgres.rewinding import rewind_run
from orchestrator.outbound.postgres.run_records import COUNTED, read_run
from pgstore.database import RawConnection
from servicekit.caller import team_of

_FAILED = "SELECT EXISTS (SELECT 1 FROM samples WHERE run_id = $1 AND state = 'failed')"

# A row that could not be rendered cannot be rendered now: row and template are what they were.
_AGAIN = "s.state = 'failed' AND s.error_stage <> 'prepare'"

_KEEP_ASIDE = f"""
INSERT INTO superseded_samples (sample_key, edition, run_id, sample)
SELECT s.sample_key, r.edition, s.run_id, row_to_json(s)
FROM samples s JOIN runs r USING (run_id) WHERE s.run_id = $1 AND {_AGAIN}
"""  # noqa: S608 -- ours
_QUEUE_FAILED = f"""
UPDATE samples s SET
    state = 'queued', response_id = NULL, output_text = NULL, reasoning = NULL,
    extracted_output = NULL, scores = NULL, judge = NULL, error_code = NULL, error_message = NULL,
    error_stage = NULL, error_details = NULL, input_tokens = NULL, output_tokens = NULL,
    cached_tokens = NULL, reasoning_tokens = NULL, tokens_estimated = false,
    generation_started_at = NULL, generation_ended_at = NULL, started_at = NULL, ended_at = NULL
WHERE s.run_id = $1 AND {_AGAIN}
"""  # noqa: S608 -- ours
_DROP_SHARDS = "DELETE FROM shards WHERE run_id = $1"
# Without shards the row has the counts itself, until the run is cut again. Artifacts stay until
# they are replaced.
_QUEUE = f"""
UPDATE runs SET
    state = $2, edition = edition + 1, epoch = epoch + 1, lease_until = NULL, prepared_at = NULL,
    finish_at = NULL, ended_at = NULL, error_code = NULL, error_message = NULL,
    error_stage = NULL, run_token = coalesce(nullif($3, ''), run_token),
    dispatched_at = now(), dispatches = 1, mishaps = 0, {COUNTED}
WHERE run_id = $1
"""  # noqa: S608 -- ours

_KEEPS_ASIDE: Mapping[RunEvent, bool] = MappingProxyType(
    {RunEvent.RERUN_FAILED: True, RunEvent.RETRY: False}
)


async def requeue(
    connection: RawConnection,
    run_id: str,
    state: RunState,
    event: RunEvent,
    *,
    token: str,
    announcer: RunAnnouncer,
) -> None:
    """Queue an ended run again, with its failed samples; the caller holds its row for update.

    What is generated but not scored stays as it is, and completed samples, too.

    Raises:
        RunStateConflict: `event` cannot happen in `state`, or nothing failed that a rerun could
            do again.
    """
    after = next_state(state, event)
    if _KEEPS_ASIDE[event]:
        if not await connection.fetchval(_FAILED, run_id):
            raise NoFailedSamples(f"run {run_id} has no failed samples", state=state)
        await connection.execute(_KEEP_ASIDE, run_id)
    await connection.execute(_QUEUE_FAILED, run_id)
    await rewind_run(connection, run_id)
    await connection.execute(_DROP_SHARDS, run_id)
    await connection.execute(_QUEUE, run_id, after, token)
    run = await read_run(connection, run_id)
    await announcer.announce(connection, Fact.QUEUED, run)
    await messages.send_step(connection, run_id, RunStep.PREPARE, team=team_of(run))
