"""What SQLAlchemy's engine raises when Postgres is away."""

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pgstore.availability import is_away


def is_engine_away(error: BaseException) -> bool:
    """Whether an error of the engine, or of asyncpg below it, means a lost or refused connection.

    So does a pool that gave no connection in time.
    """
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _caused_by_away(error)
    return isinstance(error, PoolTimeoutError) or is_away(error)


def _caused_by_away(error: DBAPIError) -> bool:
    cause = error.orig.__cause__ if error.orig is not None else None
    return cause is not None and is_engine_away(cause)
