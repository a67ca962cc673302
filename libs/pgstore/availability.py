"""Telling a store that is away from a mistake of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from servicekit.errors import Kind, ServiceError

# asyncpg has one class for "the connection is closed" and for calling it wrongly.
_CLOSED_WORDS = ("is closed", "was closed", "is closing")

_AWAY = (
    ConnectionError,
    PoolTimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,  # what it says when the server dies between two of its messages
)


class StoreUnavailable(ServiceError):
    """Postgres cannot be reached; nothing was committed, or its commit was not confirmed."""

    kind = Kind.UNAVAILABLE
    reason = "STORE_UNAVAILABLE"


@contextmanager
def away_as_unavailable(*, connecting: bool = False) -> Iterator[None]:
    """Raise StoreUnavailable for whatever says that Postgres is away; let everything else pass.

    While `connecting`, every error of the operating system and every timeout says so.
    """
    try:
        yield
    except Exception as error:
        if is_away(error) or (connecting and isinstance(error, OSError)):
            raise StoreUnavailable("the database cannot be reached") from error
        raise


def is_away(error: BaseException) -> bool:
    """Whether the error means that the connection was lost, refused or never made."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _caused_by_away(error)
    if isinstance(error, asyncpg.InterfaceError):
        return any(word in str(error) for word in _CLOSED_WORDS)
    return isinstance(error, _AWAY)


def _caused_by_away(error: DBAPIError) -> bool:
    cause = error.orig.__cause__ if error.orig is not None else None
    return cause is not None and is_away(cause)
