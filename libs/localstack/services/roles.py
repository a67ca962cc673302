"""The stack's database: one schema and one role a service, and nobody sees another's."""

import asyncpg

from localstack.postgres import CONNECT_S, Postgres
from localstack.stack.folder import StateFolder

DATABASE = "proctor"
SCHEMAS = ("gateway", "orchestrator", "importer")  # the grader stores nothing
STATEMENT_S = 30.0


async def prepare_database(postgres: Postgres, folder: StateFolder) -> dict[str, str]:
    """Make what is missing of database, roles and schemas; return each service's address.

    It may be called again: passwords are set to those of the state folder.
    """
    await _create_database(postgres)
    connection = await asyncpg.connect(
        postgres.dsn_for(DATABASE), timeout=CONNECT_S, command_timeout=STATEMENT_S
    )
    passwords = {name: folder.secret(f"postgres-{name}") for name in SCHEMAS}
    try:
        async with connection.transaction():
            await connection.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
            await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            for name, password in passwords.items():
                await _create_role(connection, name, password)
    finally:
        await connection.close()
    return {
        name: postgres.dsn_for(DATABASE, user=name, password=password)
        for name, password in passwords.items()
    }


async def _create_database(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.dsn, timeout=CONNECT_S)
    try:
        query = "SELECT true FROM pg_database WHERE datname = $1"
        if not await connection.fetchval(query, DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()


async def _create_role(
    connection: "asyncpg.Connection[asyncpg.Record]", name: str, password: str
) -> None:
    if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", name):
        await connection.execute(f"CREATE ROLE {name} LOGIN")
    # Passwords are made of letters, digits, `-` and `_`; a statement like this takes no parameters.
    await connection.execute(f"ALTER ROLE {name} PASSWORD '{password}'")
    await connection.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {DATABASE} TO {name}")
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {name}")
