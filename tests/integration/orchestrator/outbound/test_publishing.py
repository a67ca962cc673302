from uuid import uuid4

import pytest

from eventbus.bus import Bus, StreamSpec
from orchestrator.outbound.publishing import publisher
from pgstore.outbox import MessageRefused, OutboxMessage


async def test_a_message_larger_than_the_bus_takes_is_refused_for_good(nats_url: str) -> None:
    message = OutboxMessage(
        id=uuid4().hex, subject="proctor.events.run.x", headers={}, payload=b"x" * 80_000_000
    )
    async with Bus.connect(nats_url, name="test") as bus:
        spec = StreamSpec(name="EVENTS", subjects=("proctor.events.>",), kind="events")
        await bus.ensure_stream(spec)

        with pytest.raises(MessageRefused, match="80000000 bytes"):
            await publisher(bus)(message)
