import asyncio
import dataclasses
import os
import signal
from pathlib import Path

import pytest
from nats.js.errors import APIError
from structlog.testing import capture_logs

from eventbus.bus import Bus, BusUnavailable
from integration.eventbus.conftest import EVENTS, PATIENCE_S, WORK
from localstack.nats import running_nats


async def stored(bus: Bus, stream: str = "WORK") -> int:
    return (await bus.jetstream.stream_info(stream)).state.messages


async def test_a_published_message_is_stored_with_its_headers(bus: Bus) -> None:
    await bus.publish("work.a", b"payload", message_id="m1", headers={"ce-type": "x"})

    message = await bus.jetstream.get_last_msg("WORK", "work.a")
    assert message.data == b"payload"
    assert message.headers == {"Nats-Msg-Id": "m1", "ce-type": "x"}


async def test_a_repeated_message_is_stored_once(bus: Bus) -> None:
    for _ in range(3):
        await bus.publish("work.a", b"payload", message_id="m1")

    assert await stored(bus) == 1


async def test_a_subject_that_no_stream_takes_is_unavailable(bus: Bus) -> None:
    with pytest.raises(BusUnavailable):
        await bus.publish("nobody.listens", b"", message_id="m1")


async def test_a_stream_may_be_ensured_again(bus: Bus) -> None:
    await bus.publish("work.a", b"", message_id="m1")
    await bus.ensure_stream(WORK)

    assert await stored(bus) == 1


async def test_replicas_may_ensure_a_stream_at_once(nats_url: str) -> None:
    async with Bus.connect(nats_url, name="one") as one, Bus.connect(nats_url, name="two") as two:
        async with asyncio.TaskGroup() as tasks:
            for bus in (one, two) * 5:
                tasks.create_task(bus.ensure_stream(EVENTS))

        assert await stored(one, "EVENTS") == 0


async def test_a_stream_is_changed_to_what_is_wanted(bus: Bus) -> None:
    await bus.ensure_stream(EVENTS)
    await bus.publish("events.a", b"", message_id="m1")
    wider = dataclasses.replace(EVENTS, subjects=("events.>", "more.>"), max_age_s=7200)

    await bus.ensure_stream(wider)

    config = (await bus.jetstream.stream_info("EVENTS")).config
    assert (config.subjects, config.max_age) == (["events.>", "more.>"], 7200)
    assert await stored(bus, "EVENTS") == 1


async def test_a_work_queue_does_not_become_a_log_of_events(bus: Bus) -> None:
    with pytest.raises(APIError, match="retention"):
        await bus.ensure_stream(dataclasses.replace(WORK, kind="events"))


async def test_events_stay_for_the_next_subscriber_and_work_does_not(bus: Bus) -> None:
    await bus.ensure_stream(EVENTS)
    for stream, subject in (("EVENTS", "events.a"), ("WORK", "work.a")):
        await bus.publish(subject, b"", message_id=subject)
        subscription = await bus.jetstream.pull_subscribe(subject, durable="d", stream=stream)
        (message,) = await subscription.fetch(1)
        await message.ack_sync()

    assert await stored(bus, "EVENTS") == 1
    assert await stored(bus, "WORK") == 0


async def test_where_nobody_listens_the_start_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventbus.bus.CONNECT_TIMEOUT_S", 0.3)

    with pytest.raises(BusUnavailable):
        async with Bus.connect("nats://127.0.0.1:1", name="test"):
            pass


async def test_a_killed_server_is_unavailable_at_once_and_found_again_when_it_returns(
    tmp_path: Path,
) -> None:
    async with running_nats(tmp_path) as server, Bus.connect(server.url, name="test") as bus:
        await bus.ensure_stream(WORK)
        await bus.publish("work.a", b"", message_id="m1")
        port = server.port
        with capture_logs() as logs:
            os.kill(server.pid, signal.SIGKILL)
            await server.stop()
            async with asyncio.timeout(PATIENCE_S):
                while bus.healthy:
                    await asyncio.sleep(0)
            with pytest.raises(BusUnavailable):
                await bus.publish("work.a", b"", message_id="m2")

            async with running_nats(tmp_path, port=port), asyncio.timeout(PATIENCE_S):
                await bus.until_connected()
                await bus.publish("work.a", b"", message_id="m2")
                assert await stored(bus) == 2
                told = [line["event"] for line in logs if line["log_level"] != "debug"]

    assert told == ["bus_disconnected", "bus_reconnected"]


async def test_a_server_that_lost_its_disk_gets_its_streams_back(tmp_path: Path) -> None:
    async with running_nats(tmp_path / "a") as server:
        password = (tmp_path / "a" / "nats.password").read_bytes()
        async with Bus.connect(server.url, name="test") as bus:
            await bus.ensure_stream(WORK)
            port = server.port
            await server.stop()
            async with asyncio.timeout(PATIENCE_S):
                while bus.healthy:
                    await asyncio.sleep(0)

            (tmp_path / "b").mkdir()
            (tmp_path / "b" / "nats.password").write_bytes(password)
            async with running_nats(tmp_path / "b", port=port), asyncio.timeout(PATIENCE_S):
                while not await _took(bus):
                    await asyncio.sleep(0.01)
                assert await stored(bus) == 1


async def _took(bus: Bus) -> bool:
    try:
        await bus.publish("work.a", b"", message_id="m1")
    except BusUnavailable:
        return False
    return True


async def test_nothing_seeks_the_server_after_the_close(tmp_path: Path) -> None:
    for attempt in range(5):  # whether a cancellation is lost depends on the moment
        async with running_nats(tmp_path) as server, asyncio.timeout(PATIENCE_S):
            async with Bus.connect(server.url, name="test") as bus:
                await server.stop()
                while bus.healthy:
                    await asyncio.sleep(0)
                await asyncio.sleep(0.1 * attempt)

            assert not [task for task in asyncio.all_tasks() if "_attempt_reconnect" in repr(task)]


async def test_an_open_connection_is_healthy_and_a_closed_one_is_not(nats_url: str) -> None:
    async with Bus.connect(nats_url, name="test") as bus:
        assert bus.healthy
    assert not bus.healthy
