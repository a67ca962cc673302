"""Connections to Postgres as they are made for every service, without an engine around them."""

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from pgstore.availability import away_as_unavailable

CONNECT_TIMEOUT_S = 10
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class Connections(Protocol):
    """Gives raw connections whose search path is a service's schema: a `Database`, or one only."""

    def connection(
        self,
    ) -> AbstractAsyncContextManager["asyncpg.Connection[Any] | PoolConnectionProxy[Any]"]:
        """A connection outside any transaction.

        Raises:
            StoreUnavailable: Postgres cannot be reached or went away.
        """


class OneConnection:
    """For commands: a single connection, which is not looked after; use `open`."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str, *, schema: str) -> AsyncIterator["OneConnection"]:
        """Open the connection, and close it at the end of the block.

        Raises:
            StoreUnavailable: Postgres cannot be reached.
        """
        with away_as_unavailable(connecting=True):
            connection = await connect_directly(dsn, schema)
        try:
            yield cls(connection)
        finally:
            connection.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """The connection; only one may use it at a time.

        Raises:
            StoreUnavailable: Postgres went away.
        """
        with away_as_unavailable():
            yield self._connection


def session_settings(schema: str) -> dict[str, str]:
    """What every connection of the service that owns `schema` is opened with.

    Raises:
        ValueError: the schema is no plain lower-case identifier.
    """
    if not _IDENTIFIER.fullmatch(schema):
        raise ValueError(f"not a plain schema name: {schema!r}")
    return {
        "search_path": schema,
        "application_name": schema,
        "timezone": "UTC",
        "jit": "off",  # our queries are short; compiling them costs more than it saves
        # A machine that vanished must not hold its row locks for the two hours of the system's
        # default.
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
    }


async def connect_directly(dsn: str, schema: str) -> "asyncpg.Connection[Any]":
    """Open a connection that no pool holds; the caller closes it."""
    return await asyncpg.connect(
        dsn, timeout=CONNECT_TIMEOUT_S, server_settings=session_settings(schema)
    )
