"""Messages that leave exactly when their transaction is committed.

The state change and its message are written together; the relay publishes and then deletes. A
message is published at least once, and again after a crash in between: the id is the same, so the
receiver can tell.
"""

import asyncio
import json
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from pgstore.availability import StoreUnavailable, away_as_unavailable
from pgstore.database import Database, RawConnection
from pgstore.engine_errors import is_engine_away
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

# The revision after the one with OUTBOX_DDL: how often a message failed, and when it was parked.
OUTBOX_PARKING_DDL = """
ALTER TABLE outbox ADD COLUMN attempts integer NOT NULL DEFAULT 0, ADD COLUMN failed_at timestamptz
"""

BATCH_MAX = 100
BATCH_BYTES_MAX = 4 * 1024 * 1024  # of payloads in memory at once; a larger one goes alone
DEFERRED_MAX = 300  # so many failing messages mean that the receiver is away
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
# Lengths are known without reading the payloads, so those behind the batch's end are never read.
_SELECT = """
WITH head AS (
    SELECT id, octet_length(payload)::bigint AS size FROM outbox
    WHERE failed_at IS NULL AND id <> ALL($2::uuid[])
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
), batch AS (
    SELECT id, size, sum(size) OVER (ORDER BY id) AS until, count(*) OVER () AS found,
           row_number() OVER (ORDER BY id) AS place
    FROM head
)
SELECT b.found, o.id, o.subject, o.headers, o.payload
FROM batch b JOIN outbox o USING (id)
WHERE b.place = 1 OR b.until <= $3
ORDER BY o.id
"""
_DELETE = "DELETE FROM outbox WHERE id = ANY($1::uuid[])"
_COUNT = """
UPDATE outbox SET attempts = attempts + 1,
                  failed_at = CASE WHEN id = ANY($2::uuid[]) THEN now() END
WHERE id = ANY($1::uuid[])
"""

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
    with away_as_unavailable(away=is_engine_away):
        if isinstance(store, AsyncConnection):
            await store.execute(
                _INSERT_NAMED,
                {"id": message_id, "subject": subject, "headers": headers_json, "payload": payload},
            )
        else:
            await store.execute(_INSERT_NUMBERED, message_id, subject, headers_json, payload)
    return str(message_id)


class MessageRefused(Exception):
    """The receiver will never take this message, whatever is done with it; raised by `publish`."""


class OutboxRelay:
    """Publishes what the outbox holds, oldest first; any number of replicas may do so at once.

    A message that fails waits by itself, ever longer, while those behind it are published. One that
    is refused is parked: it stays in the table with `failed_at`, for people to look at.

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
        self._blocked = False
        self._store_retry_s = 0.0
        self._deferred: dict[UUID, _Deferral] = {}

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
                self._store_retry_s = _longer(self._store_retry_s)
                await asyncio.sleep(self._store_retry_s)

    async def _publish_all(self) -> None:
        more = True
        while more:
            self._wake.clear()
            now = time.monotonic()
            resting = [key for key, deferral in self._deferred.items() if deferral.due > now]
            if len(resting) >= DEFERRED_MAX:
                return
            batch = await self._publish_batch(resting)
            self._note(batch, resting)
            more = batch.more

    async def _publish_batch(self, resting: Sequence[UUID]) -> "_Batch":
        async with self._database.connection() as connection, connection.transaction():
            rows = await connection.fetch(_SELECT, BATCH_MAX, resting, BATCH_BYTES_MAX)
            # Started in order, so one connection to the receiver also sends them in order.
            async with asyncio.TaskGroup() as tasks:
                attempts = {row["id"]: tasks.create_task(self._attempt(row)) for row in rows}
            batch = _batch(rows, {key: task.result() for key, task in attempts.items()})
            if batch.published:
                await connection.execute(_DELETE, batch.published)
            if batch.failed or batch.refused:
                await connection.execute(_COUNT, [*batch.failed, *batch.refused], [*batch.refused])
        return batch

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
        except Exception as error:  # noqa: BLE001 - whatever it is, the message stays
            return error
        return None

    def _note(self, batch: "_Batch", resting: Sequence[UUID]) -> None:
        self._store_retry_s = 0.0
        for key, error in batch.refused.items():
            schema, reason = self._database.schema, repr(error)
            _log.error("outbox_message_parked", schema=schema, id=str(key), error=reason)
        now = time.monotonic()
        known = self._deferred
        # What was due and is not there any more was published by another replica.
        kept = {key: known[key] for key in (known if batch.more else resting) if key in known}
        for key in (*batch.published, *batch.refused):
            kept.pop(key, None)
        for key in batch.failed:
            delay_s = _longer(known[key].delay_s if key in known else 0.0)
            kept[key] = _Deferral(due=now + delay_s, delay_s=delay_s)
        self._deferred = kept
        for error in batch.failed.values():
            self._note_failure(error)
        if self._blocked and not kept:
            _log.info("outbox_recovered", schema=self._database.schema)
            self._blocked = False

    def _note_failure(self, error: Exception) -> None:
        if not self._blocked:  # said once; the end of it is said, too
            _log.warning("outbox_blocked", schema=self._database.schema, error=repr(error))
        self._blocked = True

    async def _wait(self) -> None:
        due = min((deferral.due for deferral in self._deferred.values()), default=math.inf)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(POLL_S, max(0.0, due - time.monotonic()))):
                await self._wake.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deferral:
    due: float  # on the monotonic clock
    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    published: Sequence[UUID]
    failed: Mapping[UUID, Exception]
    refused: Mapping[UUID, Exception]
    more: bool  # there may be others behind these


def _batch(rows: Sequence[Mapping[str, Any]], errors: Mapping[UUID, Exception | None]) -> _Batch:
    found = rows[0]["found"] if rows else 0
    failures = {key: error for key, error in errors.items() if error is not None}
    refused = {key: error for key, error in failures.items() if isinstance(error, MessageRefused)}
    return _Batch(
        published=[key for key in errors if key not in failures],
        failed={key: error for key, error in failures.items() if key not in refused},
        refused=refused,
        more=found == BATCH_MAX or found > len(rows),
    )


def _longer(delay_s: float) -> float:
    return min(max(2 * delay_s, RETRY_MIN_S), RETRY_MAX_S)


def _time_ordered_id() -> UUID:
    """A UUID of version 7: milliseconds first, then the time below them, then chance."""
    milliseconds, below = divmod(time.time_ns(), 1_000_000)
    fraction = below * 4096 // 1_000_000
    bits = milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62)
    return UUID(int=bits)
