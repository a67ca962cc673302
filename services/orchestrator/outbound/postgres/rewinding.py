"""Samples that nobody has in hand any more, put back to where their last result is stored."""

from collections.abc import Mapping
from typing import Any

from orchestrator.domain.sample import LAST_SAFE
from pgstore.database import RawConnection

_REWIND = "UPDATE samples SET state = $2 WHERE run_id = $1 AND state = $3"
_REWIND_SHARD = f"""
{_REWIND}
  AND task_ord = $4 AND model_ord = $5 AND sample_index >= $6 AND sample_index < $7
"""


async def rewind_run(connection: RawConnection, run_id: str) -> None:
    """Put all samples of a run back; it has no leases."""
    for in_hand, safe in LAST_SAFE.items():
        await connection.execute(_REWIND, run_id, safe, in_hand)


async def rewind_shard(connection: RawConnection, run_id: str, shard: Mapping[str, Any]) -> None:
    """Put the samples of a shard back; `shard` is a record with its task, model and range."""
    place = (shard["task_ord"], shard["model_ord"], shard["from_index"], shard["to_index"])
    for in_hand, safe in LAST_SAFE.items():
        await connection.execute(_REWIND_SHARD, run_id, safe, in_hand, *place)
