"""What the outbox relay does with a message."""

from collections.abc import Awaitable, Callable

from eventbus.bus import Bus
from orchestrator.outbound.postgres.messages import EVENTS_RUN
from pgstore.outbox import OutboxMessage


def publisher(bus: Bus) -> Callable[[OutboxMessage], Awaitable[None]]:
    """Make the function that publishes to JetStream; an event also carries its id in itself."""

    async def publish(message: OutboxMessage) -> None:
        headers = dict(message.headers)
        if message.subject.startswith(EVENTS_RUN):
            headers["ce-id"] = message.id
        await bus.publish(message.subject, message.payload, message_id=message.id, headers=headers)

    return publish
