import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from pgstore import outbox
from pgstore.database import Database
from pgstore.outbox import MessageRefused, OutboxMessage, OutboxRelay

PATIENCE_S = 20


class Receiver:
    """Takes messages, or refuses them while it is away; `until` waits for a number of them."""

    def __init__(self) -> None:
        self.messages: list[OutboxMessage] = []
        self.away = False
        self.refusals = 0
        self._changed = asyncio.Event()

    async def publish(self, message: OutboxMessage) -> None:
        self._changed.set()
        if self.away:
            self.refusals += 1
            raise ConnectionError("away")
        self.messages.append(message)

    async def until(self, *, messages: int = 0, refusals: int = 0) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.messages) < messages or self.refusals < refusals:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@asynccontextmanager
async def relaying(database: Database, *receivers: Receiver) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        relays = [OutboxRelay(database, receiver.publish) for receiver in receivers]
        running = [tasks.create_task(relay.run()) for relay in relays]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


async def write(database: Database, count: int, *, first: int = 0) -> None:
    async with database.transaction() as session:
        for number in range(first, first + count):
            await outbox.add(session, f"subject.{number}", b"payload", {"ce-id": str(number)})


async def left(database: Database) -> int:
    async with database.connection() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM outbox")
    return count


async def until_empty(database: Database) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await left(database):
            await asyncio.sleep(0)


async def test_a_message_arrives_whole_and_leaves_the_outbox(
    database: Database, receiver: Receiver
) -> None:
    async with relaying(database, receiver):
        async with database.transaction() as session:
            message_id = await outbox.add(session, "a.b", b"\x00\xff", {"ce-type": "x"})
        await receiver.until(messages=1)
        await until_empty(database)

    assert receiver.messages == [
        OutboxMessage(id=message_id, subject="a.b", headers={"ce-type": "x"}, payload=b"\x00\xff")
    ]


async def test_a_message_may_be_written_over_a_raw_connection(
    database: Database, receiver: Receiver
) -> None:
    async with database.connection() as connection, connection.transaction():
        await outbox.add(connection, "a.b", b"x", {"k": "v"})

    async with relaying(database, receiver):
        await receiver.until(messages=1)

    assert receiver.messages[0].headers == {"k": "v"}


async def test_a_transaction_that_is_undone_sends_nothing(
    database: Database, receiver: Receiver
) -> None:
    with pytest.raises(KeyError):
        async with database.transaction() as session:
            await outbox.add(session, "undone", b"")
            raise KeyError
    await write(database, 1)

    async with relaying(database, receiver):
        await until_empty(database)

    assert [message.subject for message in receiver.messages] == ["subject.0"]


async def test_messages_leave_in_the_order_they_were_written(
    database: Database, receiver: Receiver
) -> None:
    await write(database, 250)

    async with relaying(database, receiver):
        await until_empty(database)

    assert [message.subject for message in receiver.messages] == [
        f"subject.{number}" for number in range(250)
    ]


async def test_a_commit_wakes_the_relay(
    database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgstore.outbox.POLL_S", 3600)
    await write(database, 1)

    async with relaying(database, receiver):
        await receiver.until(messages=1)
        await write(database, 1, first=1)
        await receiver.until(messages=2)


async def test_replicas_share_the_work_and_repeat_nothing(database: Database) -> None:
    receivers = Receiver(), Receiver(), Receiver()

    async with relaying(database, *receivers):
        for batch in range(10):
            await write(database, 100, first=100 * batch)
        await until_empty(database)

    ids = [message.id for receiver in receivers for message in receiver.messages]
    assert len(ids) == len(set(ids)) == 1000


async def test_a_receiver_that_is_away_is_waited_for_and_complained_about_once(
    database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgstore.outbox.RETRY_MAX_S", 0.2)
    receiver.away = True
    await write(database, 3)

    with capture_logs() as logs:
        async with relaying(database, receiver):
            await receiver.until(refusals=9)
            receiver.away = False
            await receiver.until(messages=3)
            await until_empty(database)
            async with asyncio.timeout(PATIENCE_S):  # it is told once the table is empty
                while len(logs) < 2:
                    await asyncio.sleep(0.01)

    assert [line["event"] for line in logs] == ["outbox_blocked", "outbox_recovered"]


async def test_one_message_that_fails_does_not_hold_the_others(
    database: Database, receiver: Receiver
) -> None:
    await write(database, 3)

    async def publish(message: OutboxMessage) -> None:
        if message.subject == "subject.1":
            raise ConnectionError
        await receiver.publish(message)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(OutboxRelay(database, publish).run())
        await receiver.until(messages=2)
        async with asyncio.timeout(PATIENCE_S):
            while await left(database) != 1:
                await asyncio.sleep(0)
        running.cancel()

    assert {message.subject for message in receiver.messages} == {"subject.0", "subject.2"}


async def test_messages_that_always_fail_do_not_hold_those_behind_them(
    database: Database, receiver: Receiver
) -> None:
    await write(database, 250)

    async def publish(message: OutboxMessage) -> None:
        if int(message.subject.removeprefix("subject.")) < 220:
            raise ConnectionError
        await receiver.publish(message)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(OutboxRelay(database, publish).run())
        await receiver.until(messages=30)
        running.cancel()

    assert len(receiver.messages) == 30


async def test_a_relay_that_dies_before_it_deletes_sends_the_same_id_again(
    database: Database, receiver: Receiver
) -> None:
    await write(database, 1)
    ids: list[str] = []
    taken = asyncio.Event()

    async def publish_and_hang(message: OutboxMessage) -> None:
        ids.append(message.id)
        taken.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        dying = tasks.create_task(OutboxRelay(database, publish_and_hang).run())
        await taken.wait()
        dying.cancel()
    async with relaying(database, receiver):
        await receiver.until(messages=1)

    assert [message.id for message in receiver.messages] == ids


async def test_a_lost_listening_connection_is_made_anew(
    database: Database, receiver: Receiver
) -> None:
    async with relaying(database, receiver):
        await write(database, 1)
        await receiver.until(messages=1)
        async with database.connection() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^LISTEN'"
            )
        await write(database, 1, first=1)
        await receiver.until(messages=2)


async def parked(database: Database) -> list[tuple[str, int]]:
    statement = "SELECT subject, attempts FROM outbox WHERE failed_at IS NOT NULL"
    async with database.connection() as connection:
        return [tuple(row) for row in await connection.fetch(statement)]


async def test_a_refused_message_is_parked_and_complained_about_once(
    database: Database, receiver: Receiver
) -> None:
    await write(database, 3)
    refused: list[str] = []

    async def publish(message: OutboxMessage) -> None:
        if message.subject == "subject.1":
            refused.append(message.id)
            raise MessageRefused("too large")
        await receiver.publish(message)

    with capture_logs() as logs:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(OutboxRelay(database, publish).run())
            await receiver.until(messages=2)
            await write(database, 1, first=3)
            await receiver.until(messages=3)
            running.cancel()

    assert await parked(database) == [("subject.1", 1)]
    assert [(line["event"], line["id"]) for line in logs] == [("outbox_message_parked", refused[0])]


async def test_a_message_that_fails_delays_no_message_written_later(
    database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever waits for the failing one's next turn waits for longer than the test.
    monkeypatch.setattr("pgstore.outbox.RETRY_MIN_S", 3600)
    monkeypatch.setattr("pgstore.outbox.RETRY_MAX_S", 3600)
    failed = asyncio.Event()
    await write(database, 1)

    async def publish(message: OutboxMessage) -> None:
        if message.subject == "subject.0":
            failed.set()
            raise ConnectionError
        await receiver.publish(message)

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(OutboxRelay(database, publish).run())
        await failed.wait()
        for number in range(1, 4):
            await write(database, 1, first=number)
            await receiver.until(messages=number)
        running.cancel()


async def test_a_batch_is_bounded_by_bytes_and_one_larger_message_goes_alone(
    database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgstore.outbox.BATCH_BYTES_MAX", 1000)
    sizes = [400, 400, 400, 5000, 600, 400, 1]
    async with database.transaction() as session:
        for size in sizes:
            await outbox.add(session, "subject", b"x" * size)
    at_once, most = 0, 0

    async def publish(message: OutboxMessage) -> None:
        nonlocal at_once, most
        at_once += len(message.payload)
        most = max(most, at_once if len(message.payload) < 5000 else 0)
        await asyncio.sleep(0)
        at_once -= len(message.payload)
        await receiver.publish(message)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(OutboxRelay(database, publish).run())
        await receiver.until(messages=len(sizes))
        running.cancel()

    assert [len(message.payload) for message in receiver.messages] == sizes
    assert most <= 1000


async def test_a_receiver_that_refuses_all_of_very_many_is_not_asked_for_each(
    database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgstore.outbox.DEFERRED_MAX", 100)
    monkeypatch.setattr("pgstore.outbox.RETRY_MAX_S", 0.2)
    receiver.away = True
    await write(database, 500)

    async with relaying(database, receiver):
        await receiver.until(refusals=300)
        assert len(await _attempted(database)) <= 200
        receiver.away = False
        await receiver.until(messages=500)
        await until_empty(database)


async def _attempted(database: Database) -> list[str]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT subject FROM outbox WHERE attempts > 0")
    return [row["subject"] for row in rows]
