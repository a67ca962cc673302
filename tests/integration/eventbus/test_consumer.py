import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from structlog.testing import capture_logs

from eventbus.bus import Bus
from eventbus.consumer import Delivery, Handler, NotNow, PullConsumer
from integration.eventbus.conftest import PATIENCE_S, WORK, Tally
from localstack.nats import running_nats


@asynccontextmanager
async def consuming(
    bus: Bus, handler: Handler, **options: Any
) -> AsyncIterator["asyncio.Task[None]"]:
    settings: dict[str, Any] = {"max_in_flight": 10, "ack_wait_s": 30, **options}
    consumer = PullConsumer(
        bus, stream="WORK", durable="worker", subject="work.>", handler=handler, **settings
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(consumer.run())
        try:
            yield running
        finally:
            running.cancel()


async def publish(bus: Bus, *payloads: str) -> None:
    for payload in payloads:
        await bus.publish("work.a", payload.encode(), message_id=f"id-{payload}")


async def until_stored(bus: Bus, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await bus.jetstream.stream_info("WORK")).state.messages != count:
            await asyncio.sleep(0.01)


async def until_handled(tally: Tally, payload: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while payload not in tally.seen:
            await tally.until(len(tally.seen) + 1)


async def until_lost(bus: Bus) -> None:
    """The client needs a moment to see that its server is gone."""
    async with asyncio.timeout(PATIENCE_S):
        while bus.healthy:
            await asyncio.sleep(0)


async def test_a_handled_message_leaves_the_stream(bus: Bus) -> None:
    got: list[Delivery] = []

    async def handle(delivery: Delivery) -> None:
        got.append(delivery)

    await bus.publish("work.a", b"payload", message_id="m1", headers={"k": "v"})
    async with consuming(bus, handle):
        await until_stored(bus, 0)

    (delivery,) = got
    assert (delivery.subject, delivery.payload, delivery.attempt) == ("work.a", b"payload", 1)
    assert delivery.headers["k"] == "v"


async def test_messages_that_come_later_are_taken_too(bus: Bus, tally: Tally) -> None:
    async def handle(delivery: Delivery) -> None:
        tally.add(delivery.payload.decode())

    async with consuming(bus, handle):
        await publish(bus, "a")
        await tally.until(1)
        await publish(bus, "b", "c")
        await tally.until(3)

    assert sorted(tally.seen) == ["a", "b", "c"]


async def test_a_failed_message_comes_again_while_the_others_go_on(
    bus: Bus, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventbus.consumer.RETRY_MIN_S", 0.05)

    async def handle(delivery: Delivery) -> None:
        tally.add(f"{delivery.payload.decode()}{delivery.attempt}")
        if delivery.payload == b"bad" and delivery.attempt < 3:
            raise ValueError

    await publish(bus, "bad", "good")
    with capture_logs() as logs:
        async with consuming(bus, handle):
            await until_stored(bus, 0)

    assert sorted(tally.seen) == ["bad1", "bad2", "bad3", "good1"]
    assert [line["attempt"] for line in logs if line["event"] == "delivery_failed"] == [1, 2]


async def test_no_more_are_handled_at_once_than_allowed(bus: Bus, tally: Tally) -> None:
    go = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        tally.add("begun")
        await go.wait()
        tally.add("ended")

    await publish(bus, *"abcdefg")
    async with consuming(bus, handle, max_in_flight=3):
        await tally.until(3)
        await publish(bus, "h")  # a round trip in which a fourth could begin
        assert tally.seen == ["begun"] * 3
        go.set()
        await until_stored(bus, 0)

    assert tally.seen.count("ended") == 8


async def test_a_slow_handler_keeps_its_message(bus: Bus, tally: Tally) -> None:
    async def handle(delivery: Delivery) -> None:
        tally.add(f"attempt {delivery.attempt}")
        await asyncio.sleep(2.5)  # JetStream's own clock cannot be turned

    await publish(bus, "slow")
    async with consuming(bus, handle, ack_wait_s=1):
        await until_stored(bus, 0)

    assert tally.seen == ["attempt 1"]


async def test_a_message_that_comes_again_while_it_is_handled_is_handled_once(
    bus: Bus, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventbus.consumer.HEARTBEATS_PER_ACK_WAIT", 0.1)  # far too late

    async def handle(delivery: Delivery) -> None:
        tally.add(f"attempt {delivery.attempt}")
        async with asyncio.timeout(PATIENCE_S):
            while (await bus.jetstream.consumer_info("WORK", "worker")).num_redelivered != 1:
                await asyncio.sleep(0.05)

    await publish(bus, "slow")
    async with consuming(bus, handle, ack_wait_s=1):
        await until_stored(bus, 0)

    assert tally.seen == ["attempt 1"]


async def test_a_consumer_that_stops_gives_its_messages_to_the_next_at_once(
    bus: Bus, tally: Tally
) -> None:
    async def hang(delivery: Delivery) -> None:
        tally.add("hanging")
        await asyncio.Event().wait()

    async def handle(delivery: Delivery) -> None:
        tally.add("handled")

    await publish(bus, "a", "b")
    async with consuming(bus, hang):
        await tally.until(2)
    async with consuming(bus, handle):
        await tally.until(4)

    assert tally.seen == ["hanging", "hanging", "handled", "handled"]


async def test_a_consumer_that_is_stopped_as_a_message_comes_stops_and_gives_it_back(
    bus: Bus, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = JetStreamContext.PullSubscription.fetch
    fetched = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        tally.add(delivery.payload.decode())

    async def fetch_and_stop(*args: Any, **options: Any) -> list[Msg]:
        messages: list[Msg] = await fetch(*args, **options)

        async def come_with_the_stop() -> list[Msg]:
            running.cancel()
            return messages

        fetched.set()
        # As nats-py waits, and as it does at the wrong moment once in some dozens of times.
        return await asyncio.wait_for(come_with_the_stop(), PATIENCE_S)  # noqa: TID251

    monkeypatch.setattr(JetStreamContext.PullSubscription, "fetch", fetch_and_stop)
    async with consuming(bus, handle) as running:
        await publish(bus, "one")
        await fetched.wait()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait([running])
    assert tally.seen == []

    monkeypatch.undo()
    async with consuming(bus, handle):  # far sooner than its claim of 30 s ends
        await until_handled(tally, "one")


async def test_replicas_share_the_messages(nats_url: str, bus: Bus) -> None:
    tallies = Tally(), Tally()

    def handler(tally: Tally) -> Handler:
        async def handle(delivery: Delivery) -> None:
            tally.add(delivery.payload.decode())

        return handle

    async with (
        Bus.connect(nats_url, name="second") as second,
        consuming(bus, handler(tallies[0])),
        consuming(second, handler(tallies[1])),
    ):
        await publish(bus, *map(str, range(200)))
        await until_stored(bus, 0)

    seen = [*tallies[0].seen, *tallies[1].seen]
    assert sorted(seen, key=int) == [str(number) for number in range(200)]


async def test_what_a_handler_waits_for_may_be_cancelled_without_harm(
    bus: Bus, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventbus.consumer.RETRY_MIN_S", 0.05)

    async def handle(delivery: Delivery) -> None:
        tally.add(f"attempt {delivery.attempt}")
        if delivery.attempt == 1:
            raise asyncio.CancelledError

    await publish(bus, "a")
    async with consuming(bus, handle):
        await until_stored(bus, 0)

    assert tally.seen == ["attempt 1", "attempt 2"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_server_that_restarts_is_waited_for(
    tmp_path: Path, tally: Tally, number: signal.Signals
) -> None:
    async def handle(delivery: Delivery) -> None:
        tally.add(delivery.payload.decode())

    async with running_nats(tmp_path) as server, Bus.connect(server.url, name="test") as bus:
        await bus.ensure_stream(WORK)
        port = server.port
        async with consuming(bus, handle):
            await publish(bus, "before")
            await tally.until(1)
            await until_stored(bus, 0)  # it knows that this was handled
            os.kill(server.pid, number)
            await server.stop()
            await until_lost(bus)
            async with running_nats(tmp_path, port=port), asyncio.timeout(PATIENCE_S):
                await bus.until_connected()
                await publish(bus, "after")
                await tally.until(2)

    assert tally.seen == ["before", "after"]


async def test_a_message_in_flight_while_the_server_restarts_is_handled_once(
    tmp_path: Path, tally: Tally
) -> None:
    go = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        tally.add(delivery.payload.decode())
        await go.wait()

    async with running_nats(tmp_path) as server, Bus.connect(server.url, name="test") as bus:
        await bus.ensure_stream(WORK)
        port = server.port
        async with consuming(bus, handle):
            await publish(bus, "a")
            await tally.until(1)
            os.kill(server.pid, signal.SIGKILL)
            await server.stop()
            await until_lost(bus)
            async with running_nats(tmp_path, port=port), asyncio.timeout(PATIENCE_S):
                await bus.until_connected()
                # A server that forgot its deliveries hands "a" out again, and only then "b".
                await publish(bus, "b")
                await until_handled(tally, "b")
                go.set()
                await until_stored(bus, 0)

    assert sorted(tally.seen) == ["a", "b"]


async def test_a_message_there_is_no_room_for_comes_again_and_is_no_failure(
    bus: Bus, tally: Tally
) -> None:
    attempts: list[int] = []

    async def handle(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        tally.add(delivery.payload.decode())
        if delivery.attempt < 3:
            raise NotNow

    await bus.ensure_stream(WORK)
    with capture_logs() as logs:
        async with consuming(bus, handle):
            await publish(bus, "a")
            await tally.until(3)
            await until_stored(bus, 0)

    assert attempts == [1, 2, 3]
    assert [line for line in logs if line["event"] == "delivery_failed"] == []


async def test_a_stream_that_is_missing_is_waited_for(nats_url: str, tally: Tally) -> None:
    async def handle(delivery: Delivery) -> None:
        tally.add("handled")

    async with Bus.connect(nats_url, name="test") as bus:
        with capture_logs() as logs:
            async with consuming(bus, handle):
                async with asyncio.timeout(PATIENCE_S):
                    while not logs:
                        await asyncio.sleep(0)
                await bus.ensure_stream(WORK)
                await publish(bus, "a")
                await tally.until(1)

    assert [line["event"] for line in logs] == ["consumer_waiting", "consumer_resumed"]
