"""Opening shards as the run's concurrency allows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.run_states import RunEvent, RunState, next_state
from orchestrator.domain.sharding import OPEN, ShardState, Share, allot, open_shards_max
from orchestrator.domain.work import RunStep
from orchestrator.outbound.postgres import messages
from pgstore.database import RawConnection

_RUN = """
SELECT r.generation_concurrency, r.grader_concurrency, h.shards, h.unfinished,
       r.org_id || '/' || r.team_id AS team
FROM runs r CROSS JOIN LATERAL (
    SELECT count(*) AS shards, count(*) FILTER (WHERE state <> 'done') AS unfinished
    FROM shards WHERE run_id = r.run_id
) h
WHERE r.run_id = $1
"""
# Waiting shards beyond the first few are not looked at: no more can be opened at once.
_NEXT = """
(SELECT shard_no, state, generation_share, grader_share FROM shards
 WHERE run_id = $1 AND state IN ('dispatched', 'leased'))
UNION ALL
(SELECT shard_no, state, 0, 0 FROM shards
 WHERE run_id = $1 AND state = 'waiting' ORDER BY shard_no LIMIT $2)
"""
_GIVE = """
UPDATE shards SET generation_share = $3, grader_share = $4 WHERE run_id = $1 AND shard_no = $2
"""
_DISPATCH = """
UPDATE shards SET state = 'dispatched', generation_share = $3, grader_share = $4,
                  dispatched_at = now(), dispatches = 1, lease_until = NULL
WHERE run_id = $1 AND shard_no = $2
"""
_FINALIZE = """
UPDATE runs SET state = $2, lease_until = NULL, dispatched_at = now(), dispatches = 1
WHERE run_id = $1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """How many shards were opened, how many got a larger share, how many are unfinished.

    Attributes:
        team: Full name of the run's team.
    """

    team: str
    opened: int
    grown: int
    unfinished: int


async def dispatch(connection: RawConnection, run_id: str) -> Dispatch:
    """Open waiting shards, or let open ones grow; the caller holds the run's row for update."""
    (run,) = await connection.fetch(_RUN, run_id)
    total = Share(generation=run["generation_concurrency"], grader=run["grader_concurrency"])
    open_max = open_shards_max(
        shards=run["shards"],
        generation_concurrency=total.generation,
        grader_concurrency=total.grader,
    )
    rows = await connection.fetch(_NEXT, run_id, open_max)
    open_shares = {
        row["shard_no"]: Share(generation=row["generation_share"], grader=row["grader_share"])
        for row in rows
        if row["state"] in OPEN
    }
    waiting = [row["shard_no"] for row in rows if row["state"] == ShardState.WAITING]
    shares = allot(total, open_shares=open_shares, waiting=sorted(waiting), open_max=open_max)
    opened = [number for number in shares if number not in open_shares]
    await _store(connection, run_id, shares, opened)
    for number in opened:
        await messages.send_shard(connection, run_id, number, team=run["team"])
    return Dispatch(
        team=run["team"],
        opened=len(opened),
        grown=len(shares) - len(opened),
        unfinished=run["unfinished"],
    )


async def _store(
    connection: RawConnection, run_id: str, shares: Mapping[int, Share], opened: Sequence[int]
) -> None:
    for number, share in shares.items():
        statement = _DISPATCH if number in opened else _GIVE
        await connection.execute(statement, run_id, number, share.generation, share.grader)


async def advance(connection: RawConnection, run_id: str, state: RunState) -> bool:
    """Open what may be opened; when no shard is left, move the run to finalizing.

    The caller holds the run's row, in `state`, for update. Returns whether a share grew.
    """
    done = await dispatch(connection, run_id)
    if not done.unfinished:
        await connection.execute(_FINALIZE, run_id, next_state(state, RunEvent.SAMPLES_ENDED))
        await messages.send_step(connection, run_id, RunStep.FINALIZE, team=done.team)
    return done.grown > 0
