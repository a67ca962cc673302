"""Telling a store that is away from a mistake of ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import asyncpg

from servicekit.errors import Kind, ServiceError

# asyncpg has one class for "the connection is closed" and for calling it wrongly.
_CLOSED_WORDS = ("is closed", "was closed", "is closing")

_AWAY = (
    ConnectionError,
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


def is_away(error: BaseException) -> bool:
    """Whether an error of asyncpg means that the connection was lost, refused or never made."""
    if isinstance(error, asyncpg.InterfaceError):
        return any(word in str(error) for word in _CLOSED_WORDS)
    return isinstance(error, _AWAY)


@contextmanager
def away_as_unavailable(
    *, connecting: bool = False, away: Callable[[BaseException], bool] = is_away
) -> Iterator[None]:
    """Raise StoreUnavailable for whatever says that Postgres is away; let everything else pass.

    While `connecting`, every error of the operating system and every timeout says so. What goes
    through SQLAlchemy's engine takes `engine_errors.is_engine_away`.
    """
    try:
        yield
    except Exception as error:
        if away(error) or (connecting and isinstance(error, OSError)):
            raise StoreUnavailable("the database cannot be reached") from error
        raise
