"""Rows in bulk: COPY is three times as fast as the best INSERT."""

from collections.abc import Iterable, Sequence

from pgstore.availability import away_as_unavailable
from pgstore.database import RawConnection


async def copy_rows(
    connection: RawConnection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
) -> int:
    """Append `rows` to `table` of the service's schema and return how many there were.

    All or none of them: COPY is one statement. Values stand in the order of `columns`; jsonb is
    given as text.

    Raises:
        StoreUnavailable: Postgres went away.
        asyncpg.IntegrityConstraintViolationError: a row breaks a constraint; nothing was appended.
    """
    with away_as_unavailable():
        done = await connection.copy_records_to_table(
            table, records=(tuple(row) for row in rows), columns=list(columns)
        )
    return int(done.rpartition(" ")[2])  # "COPY 42"
