"""Messages that leave exactly when their transaction is committed.

The state change and its message are written together; the relay publishes and then deletes. A
message is published at least once, and again after a crash in between: the id is the same, so the
receiver can tell.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from pgstore.availability import StoreUnavailable, away_as_unavailable
from pgstore.database import Database, RawConnection
from servicekit import logs

# One statement, for `op.execute`. Ids are made in order of time: the key is the queue's order, too.
OUTBOX_DDL = """
CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    subject text NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    payload bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
)
"""

BATCH_MAX = 100
POLL_S = 1.0  # a notification is lost when the listening connection breaks
PUBLISH_TIMEOUT_S = 10.0  # the batch's rows are locked meanwhile
RETRY_MIN_S = 0.2
RETRY_MAX_S = 10.0

_INSERT = """
WITH added AS (
    INSERT INTO outbox (id, subject, headers, payload)
    VALUES ({id}, {subject}, CAST({headers} AS jsonb), {payload})
)
SELECT pg_notify('outbox_' || current_schema(), '')
"""
_INSERT_NAMED = text(
    _INSERT.format(id=":id", subject=":subject", headers=":headers", payload=":payload")
)
_INSERT_NUMBERED = _INSERT.format(id="$1", subject="$2", headers="$3::text", payload="$4")
_SELECT = """
SELECT id, subject, headers, payload FROM outbox WHERE id <> ALL($2::uuid[])
ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_DELETE = "DELETE FROM outbox WHERE id = ANY($1::uuid[])"

_log = logs.get_logger("pgstore.outbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """What is published; `id` is the message id that lets the receiver drop a repetition."""

    id: str
    subject: str
    headers: Mapping[str, str]
    payload: bytes


async def add(
    store: AsyncSession | AsyncConnection | RawConnection,
    subject: str,
    payload: bytes,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Write a message inside the caller's transaction and return its id."""
    message_id = _time_ordered_id()
    headers_json = json.dumps(dict(headers or {}))
    if isinstance(store, AsyncSession):
        store = await store.connection()
    with away_as_unavailable():
        if isinstance(store, AsyncConnection):
            await store.execute(
                _INSERT_NAMED,
                {"id": message_id, "subject": subject, "headers": headers_json, "payload": payload},
            )
        else:
            await store.execute(_INSERT_NUMBERED, message_id, subject, headers_json, payload)
    return str(message_id)


class OutboxRelay:
    """Publishes what the outbox holds, oldest first; any number of replicas may do so at once.

    Args:
        database: whose schema has the table `outbox`.
        publish: returns when the message is safe with the receiver, raises when it is not.
    """

    def __init__(
        self, database: Database, publish: Callable[[OutboxMessage], Awaitable[None]]
    ) -> None:
        self._database = database
        self._publish = publish
        self._wake = asyncio.Event()
        self._retry_s = 0.0
        self._deferred: set[UUID] = set()  # failed, and not tried again before those behind them

    async def run(self) -> None:
        """Publish until cancelled; a receiver or a database that is away is waited for."""
        channel = f"outbox_{self._database.schema}"
        while True:
            try:
                async with self._database.listening(channel, self._wake.set) as connection:
                    while not connection.is_closed():
                        await self._publish_all()
                        await self._wait()
            except StoreUnavailable as error:
                self._note_failure(error)
                await self._wait()

    async def _publish_all(self) -> None:
        while True:
            self._wake.clear()
            batch = await self._publish_batch()
            if batch.failure is not None and batch.published == 0:
                self._note_failure(batch.failure)
                return
            if batch.published and self._retry_s:
                _log.info("outbox_recovered", schema=self._database.schema)
                self._retry_s = 0.0
            if batch.size < BATCH_MAX:
                self._deferred.clear()
                return

    async def _publish_batch(self) -> "_Batch":
        async with self._database.connection() as connection, connection.transaction():
            rows = await connection.fetch(_SELECT, BATCH_MAX, self._deferred)
            # Started in order, so one connection to the receiver also sends them in order.
            async with asyncio.TaskGroup() as tasks:
                attempts = [tasks.create_task(self._attempt(row)) for row in rows]
            failures = [task.result() for task in attempts]
            failed = {row["id"] for row, error in zip(rows, failures, strict=True) if error}
            gone = [row["id"] for row in rows if row["id"] not in failed]
            if gone:
                await connection.execute(_DELETE, gone)
        self._deferred |= failed
        failure = next(filter(None, failures), None)
        return _Batch(size=len(rows), published=len(gone), failure=failure)

    async def _attempt(self, row: Mapping[str, Any]) -> Exception | None:
        message = OutboxMessage(
            id=str(row["id"]),
            subject=row["subject"],
            headers=json.loads(row["headers"]),
            payload=row["payload"],
        )
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                await self._publish(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message stays and is tried again
            return error
        return None

    def _note_failure(self, error: Exception) -> None:
        if not self._retry_s:  # said once; the end of it is said, too
            _log.warning("outbox_blocked", schema=self._database.schema, error=repr(error))
        self._retry_s = min(max(2 * self._retry_s, RETRY_MIN_S), RETRY_MAX_S)

    async def _wait(self) -> None:
        if self._retry_s:  # new messages do not shorten the back-off
            await asyncio.sleep(self._retry_s)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._wake.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    size: int
    published: int
    failure: Exception | None


def _time_ordered_id() -> UUID:
    """A UUID of version 7: milliseconds first, then the time below them, then chance."""
    milliseconds, below = divmod(time.time_ns(), 1_000_000)
    fraction = below * 4096 // 1_000_000
    bits = milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62)
    return UUID(int=bits)
