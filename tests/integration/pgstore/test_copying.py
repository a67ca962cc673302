from collections.abc import Iterator

import asyncpg
import pytest

from pgstore.copying import copy_rows
from pgstore.database import Database

COLUMNS = ["id", "name", "facts"]


async def test_rows_are_appended_and_counted(database: Database) -> None:
    async with database.connection() as connection:
        count = await copy_rows(connection, "item", COLUMNS, ((n, f"n{n}", None) for n in range(5)))

        assert count == 5
        assert await connection.fetchval("SELECT count(*) FROM item") == 5


async def test_json_columns_take_bytes(database: Database) -> None:
    async with database.connection() as connection:
        await copy_rows(connection, "item", COLUMNS, [[1, "a", b'{"x": 1}']])

        assert await connection.fetchval("SELECT facts ->> 'x' FROM item") == "1"


async def test_no_rows_are_fine(database: Database) -> None:
    async with database.connection() as connection:
        assert await copy_rows(connection, "item", COLUMNS, []) == 0


async def test_one_bad_row_keeps_all_of_them_out(database: Database) -> None:
    async with database.connection() as connection:
        with pytest.raises(asyncpg.UniqueViolationError):
            await copy_rows(connection, "item", COLUMNS, [(1, "a", None), (1, "b", None)])

        assert await connection.fetchval("SELECT count(*) FROM item") == 0


async def test_an_exception_of_the_source_keeps_all_of_them_out(database: Database) -> None:
    def rows() -> Iterator[tuple[int, str, None]]:
        yield (1, "a", None)
        raise KeyError("source")

    async with database.connection() as connection:
        with pytest.raises(KeyError, match="source"):
            await copy_rows(connection, "item", COLUMNS, rows())

        assert await connection.fetchval("SELECT count(*) FROM item") == 0


async def test_rows_leave_with_the_transaction_they_came_in(database: Database) -> None:
    async with database.connection() as connection:
        with pytest.raises(KeyError):
            async with connection.transaction():
                await copy_rows(connection, "item", COLUMNS, [(1, "a", None)])
                raise KeyError

        assert await connection.fetchval("SELECT count(*) FROM item") == 0
