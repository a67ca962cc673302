"""What Postgres' planner is told of large changes."""

from pgstore.database import RawConnection

# The planner has to hear of a run that changes the picture before the next automatic ANALYZE, a
# minute later: without it the first 4,000 samples of a new database cost six times as much.
_CHANGES_THE_PICTURE = """
SELECT $1::int * 10 > reltuples FROM pg_class WHERE oid = 'samples'::regclass
"""


async def tell_planner(connection: RawConnection, added: int) -> None:
    """Let the planner look at items and samples if the `added` ones are many of them.

    Args:
        connection: Outside any transaction; what was added is committed.
        added: Samples that were added.
    """
    if await connection.fetchval(_CHANGES_THE_PICTURE, added):
        await connection.execute("ANALYZE items, samples")
