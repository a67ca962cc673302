"""What the outbox relay does with a message."""

from collections.abc import Awaitable, Callable

from nats.errors import MaxPayloadError

from eventbus.bus import Bus
from orchestrator.outbound.postgres.messages import EVENTS_RUN
from pgstore.outbox import MessageRefused, OutboxMessage


def publisher(bus: Bus) -> Callable[[OutboxMessage], Awaitable[None]]:
    """Make the function that publishes to JetStream; an event also carries its id in itself."""

    async def publish(message: OutboxMessage) -> None:
        headers = dict(message.headers)
        if message.subject.startswith(EVENTS_RUN):
            headers["ce-id"] = message.id
        try:
            await bus.publish(
                message.subject, message.payload, message_id=message.id, headers=headers
            )
        except MaxPayloadError as error:
            size = len(message.payload)
            raise MessageRefused(f"{message.subject} with {size} bytes is too large") from error

    return publish
