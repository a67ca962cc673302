import os
import signal
import stat
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client as NatsClient
from nats.errors import Error as NatsError

from localstack.nats import NatsServer, running_nats
from localstack.ports import free_port


async def publish(server: NatsServer, payload: bytes) -> None:
    connection = await nats.connect(server.url)
    try:
        stream = connection.jetstream()
        await stream.add_stream(name="KEPT", subjects=["kept.>"])
        await stream.publish("kept.fact", payload)
    finally:
        await connection.close()


async def kept_messages(server: NatsServer) -> int:
    connection = await nats.connect(server.url)
    try:
        return (await connection.jetstream().stream_info("KEPT")).state.messages
    finally:
        await connection.close()


async def test_an_acknowledged_message_survives_kill_and_restart(tmp_path: Path) -> None:
    async with running_nats(tmp_path, port=free_port()) as server:
        await publish(server, b"fact")

        os.kill(server.pid, signal.SIGKILL)
        await server.wait()
        await server.start()

        assert await kept_messages(server) == 1


async def test_messages_of_four_megabytes_are_taken(tmp_path: Path) -> None:
    async with running_nats(tmp_path) as server:
        await publish(server, bytes(4 * 1024 * 1024))

        assert await kept_messages(server) == 1


async def test_who_has_no_password_is_refused(tmp_path: Path) -> None:
    async with running_nats(tmp_path) as server:
        stranger = NatsClient()
        with pytest.raises(NatsError):
            await stranger.connect(f"nats://127.0.0.1:{server.port}", allow_reconnect=False)
        await stranger.close()

    for name in ("nats.conf", "nats.password"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
