"""Bringing a service's schema up to date at its start, with Alembic."""

import zlib
from importlib import resources
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from pgstore.availability import away_as_unavailable
from pgstore.connecting import connect_directly
from pgstore.engine_errors import is_engine_away
from servicekit import logs

VERSION_TABLE = "alembic_version"

_log = logs.get_logger("pgstore.migrations")


async def upgrade(dsn: str, *, schema: str, versions_package: str) -> None:
    """Create the schema if it is missing and apply the revisions of the package that it lacks.

    Replicas may do this at once: one works, the others wait. All revisions of one call are one
    transaction. A schema that is ahead of this program is left as it is: during a roll-out old and
    new run side by side.

    Raises:
        StoreUnavailable: Postgres cannot be reached.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect_directly(dsn, schema),
        poolclass=pool.NullPool,
    )
    try:
        with away_as_unavailable(connecting=True, away=is_engine_away):
            async with engine.connect() as connection:
                await _upgrade_alone(connection, schema, versions_package)
    finally:
        await engine.dispose()


async def _upgrade_alone(connection: AsyncConnection, schema: str, versions_package: str) -> None:
    # Held by the session, so that a revision which commits on its own (CREATE INDEX CONCURRENTLY)
    # keeps it; closing the connection lets go of it.
    lock = zlib.crc32(f"pgstore.migrations.{schema}".encode())
    await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": lock})
    await connection.commit()
    async with connection.begin():
        await _create_schema(connection, schema)
        await connection.run_sync(_apply, schema, versions_package)


async def _create_schema(connection: AsyncConnection, schema: str) -> None:
    # Postgres wants the right to create schemas even for IF NOT EXISTS of one that is there.
    found = await connection.scalar(text("SELECT to_regnamespace(:schema)"), {"schema": schema})
    if found is None:
        await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))


def _apply(connection: Connection, schema: str, versions_package: str) -> None:
    config = _config(connection, schema, versions_package)
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    before = _heads(connection, schema)
    if before - known:
        _log.warning("schema_is_newer", schema=schema, revisions=sorted(before))
        return
    command.upgrade(config, "head")
    after = _heads(connection, schema)
    if after != before:
        _log.info("schema_upgraded", schema=schema, before=sorted(before), after=sorted(after))


def _heads(connection: Connection, schema: str) -> set[str]:
    context = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE, "version_table_schema": schema}
    )
    return set(context.get_current_heads())


def _config(connection: Connection, schema: str, versions_package: str) -> Config:
    """Alembic's configuration without its ini file; `environment/env.py` reads the attributes."""
    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", _escaped(Path(__file__).parent / "environment"))
    config.set_main_option(
        "version_locations", _escaped(Path(str(resources.files(versions_package))))
    )
    config.attributes["connection"] = connection
    config.attributes["options"] = {
        "version_table": VERSION_TABLE,
        "version_table_schema": schema,
    }
    return config


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")  # ConfigParser reads % as the start of a reference
