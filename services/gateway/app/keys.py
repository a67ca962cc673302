"""What the keys command needs: one connection, and a schema that is up to date."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.app.schema import SCHEMA, VERSIONS_PACKAGE
from gateway.outbound.api_key_table import PostgresApiKeys
from gateway.settings import KeySettings
from pgstore.connecting import OneConnection
from pgstore.revisions import is_up_to_date


@asynccontextmanager
async def open_keys(
    settings: KeySettings, *, before_upgrade: Callable[[], None]
) -> AsyncIterator[PostgresApiKeys]:
    """The keys of this installation; closes the connection after.

    Args:
        settings: where they are.
        before_upgrade: called when the schema has to be brought up to date first.

    Raises:
        StoreUnavailable: Postgres cannot be reached.
    """
    dsn = settings.postgres_dsn.get_secret_value()
    async with OneConnection.open(dsn, schema=SCHEMA) as connections:
        if not await is_up_to_date(connections, VERSIONS_PACKAGE):
            before_upgrade()
            await _bring_up_to_date(dsn)
        yield PostgresApiKeys(connections)


async def _bring_up_to_date(dsn: str) -> None:
    # Alembic and the engine below it take a second to import, and a service has mostly been here.
    from pgstore.migrations import upgrade  # noqa: PLC0415

    await upgrade(dsn, schema=SCHEMA, versions_package=VERSIONS_PACKAGE)
