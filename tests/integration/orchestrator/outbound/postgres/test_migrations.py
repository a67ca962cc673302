from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from integration.orchestrator.outbound.postgres.stores import opened
from orchestrator.domain.run_states import RunState
from orchestrator.domain.sample import SampleState
from orchestrator.domain.sharding import ShardKind, ShardState
from orchestrator.outbound.postgres.tables import Row


async def test_the_migrations_make_the_tables_that_the_rows_describe(postgres_dsn: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Row.metadata))

    async with opened(postgres_dsn) as stores, stores.database.engine.connect() as connection:
        found = await connection.run_sync(differences)

    # Indexes, keys and the tables that only SQL speaks of are the migrations' own.
    about_columns = [entry for entry in found if not _is_ours_alone(entry)]
    assert about_columns == []


def _is_ours_alone(entry: Any) -> bool:
    kind = entry[0] if isinstance(entry, tuple) else entry[0][0]
    return kind == "remove_table" or str(kind).endswith(("_index", "_constraint", "_fk"))


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("runs", "state", RunState),
        ("samples", "state", SampleState),
        ("shards", "state", ShardState),
        ("shards", "kind", ShardKind),
    ],
)
async def test_postgres_knows_the_same_words_as_the_rules(
    postgres_dsn: str, table: str, column: str, words: Any
) -> None:
    statement = """
        SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c
        WHERE c.conrelid = $1::regclass AND c.conname = $2
    """
    async with opened(postgres_dsn) as stores:
        ((check,),) = await stores.query(statement, table, f"{table}_{column}_check")

    assert all(f"'{word}'" in check for word in words)
    assert check.count("'") == 2 * len(words)
