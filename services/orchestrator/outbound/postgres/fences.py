"""Leases, checked in the transaction that relies on them.

Whoever takes a lease locks its row in a mode that conflicts with the fence, so either the taker
waits for the fenced transaction and sees what it wrote, or the fence sees the new epoch.
"""

from orchestrator.domain.work import Lease, LeaseLost
from pgstore.database import RawConnection

# Weaker than an update's lock: a step's long transaction does not hold up its own heartbeat.
_RUN_FENCE = "SELECT 1 FROM runs WHERE run_id = $1 AND epoch = $2 FOR KEY SHARE"

_SHARD_FENCE = """
SELECT 1 FROM shards WHERE run_id = $1 AND shard_no = $2 AND epoch = $3 FOR NO KEY UPDATE
"""


async def hold(connection: RawConnection, lease: Lease) -> None:
    """Keep the lease as it is until the transaction ends.

    Raises:
        LeaseLost: it is not good any more.
    """
    if lease.shard_no is None:
        held = await connection.fetchval(_RUN_FENCE, lease.run_id, lease.epoch)
    else:
        held = await connection.fetchval(_SHARD_FENCE, lease.run_id, lease.shard_no, lease.epoch)
    if held is None:
        raise LeaseLost(lease)
