"""One service's view of Postgres: its own schema, through a session or a raw connection."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from pgstore.availability import away_as_unavailable
from pgstore.connecting import CONNECT_TIMEOUT_S, connect_directly, session_settings
from pgstore.engine_errors import is_engine_away

if TYPE_CHECKING:  # asyncpg's classes are generic for the type checker only
    RawConnection: TypeAlias = asyncpg.Connection[Any] | PoolConnectionProxy[Any]
    RawPool: TypeAlias = asyncpg.Pool[Any]
else:
    RawConnection = asyncpg.Connection | PoolConnectionProxy
    RawPool = asyncpg.Pool

POOL_TIMEOUT_S = 30
_JSONB_VERSION = b"\x01"  # the first byte of jsonb in the binary protocol


class Database:
    """Two pools of `pool_size` connections each, whose search path is the service's schema.

    A connection that broke is thrown away when it is next asked for, so the pools outlive a restart
    of Postgres; what was under way then fails with StoreUnavailable.
    """

    def __init__(self, *, dsn: str, schema: str, engine: AsyncEngine, pool: RawPool) -> None:
        self._dsn = dsn
        self.schema = schema
        self.engine = engine
        self.pool = pool

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, dsn: str, *, schema: str, pool_size: int = 10
    ) -> AsyncIterator["Database"]:
        """Open both pools, and close them at the end of the block.

        Raises:
            StoreUnavailable: Postgres cannot be reached.
        """
        with away_as_unavailable(connecting=True):
            pool = await asyncpg.create_pool(
                dsn,
                min_size=0,  # a floor would be restored in the background, with a warning each try
                max_size=pool_size,
                timeout=CONNECT_TIMEOUT_S,
                server_settings=session_settings(schema),
                init=_pass_jsonb_as_text,
            )
        engine = _engine(dsn, schema=schema, pool_size=pool_size)
        database = cls(dsn=dsn, schema=schema, engine=engine, pool=pool)
        try:
            async with database.connection():
                pass  # a wrong address stops the start, not the first request
            yield database
        finally:
            await engine.dispose()
            pool.terminate()  # whoever still holds a connection is past its end

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose transaction ends with the block: committed, or on an exception undone.

        Raises:
            StoreUnavailable: Postgres cannot be reached or went away.
        """
        with away_as_unavailable(away=is_engine_away):
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                with away_as_unavailable(connecting=True, away=is_engine_away):
                    await session.connection()
                yield session
                await session.commit()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[RawConnection]:
        """A raw connection outside any transaction; jsonb passes as text: str or bytes in, str out.

        Raises:
            StoreUnavailable: Postgres cannot be reached or went away.
        """
        with away_as_unavailable():
            with away_as_unavailable(connecting=True):
                connection = await self.pool.acquire(timeout=POOL_TIMEOUT_S)
            try:
                yield connection
            finally:
                await self.pool.release(connection)

    @asynccontextmanager
    async def listening(
        self, channel: str, wake: Callable[[], None]
    ) -> AsyncIterator[RawConnection]:
        """Call `wake` for each NOTIFY on `channel` inside the block, over a connection of its own.

        Notifications end silently when that connection breaks: look at its `is_closed()`, and do
        not rely on them.

        Raises:
            StoreUnavailable: Postgres cannot be reached.
        """
        with away_as_unavailable(connecting=True):
            connection = await connect_directly(self._dsn, self.schema)
        try:
            with away_as_unavailable():
                await connection.add_listener(channel, lambda *_: wake())
            yield connection
        finally:
            connection.terminate()


def _engine(dsn: str, *, schema: str, pool_size: int) -> AsyncEngine:
    async def connect() -> RawConnection:
        return await connect_directly(dsn, schema)

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,  # so that one parser reads the address for both pools
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_broken)
    return engine


def _refuse_broken(connection: Any, _record: Any, _proxy: Any) -> None:
    # Costs nothing, where a ping costs a round trip; SQLAlchemy then opens a new connection.
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the pooled connection was lost")


async def _pass_jsonb_as_text(connection: "asyncpg.Connection[Any]") -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=_jsonb_from_text,
        decoder=_text_from_jsonb,
        format="binary",
    )


def _jsonb_from_text(text: str | bytes) -> bytes:
    return _JSONB_VERSION + (text if isinstance(text, bytes) else text.encode())


def _text_from_jsonb(raw: bytes) -> str:
    return raw[len(_JSONB_VERSION) :].decode()
