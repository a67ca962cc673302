"""The connection to run events, sought for as long as it takes: the gateway serves without it."""

from eventbus.bus import Bus, BusUnavailable
from eventbus.consumer import PullConsumer
from gateway.inbound.webhooks.run_events import RunEvents
from servicekit.logs import get_logger

_NAME = "gateway"
_STREAM = "EVENTS"
_SUBJECT = "proctor.events.run.>"
_DURABLE = "gateway-webhooks"
# Noting one takes a few milliseconds; nobody waits for a receiver here.
_AT_ONCE = 16
_ACK_WAIT_S = 30.0

log = get_logger(__name__)


class RunEventLoop:
    """Hands all run events to `events`; replicas share them, and NATS keeps what nobody took."""

    def __init__(self, nats_url: str, events: RunEvents) -> None:
        self._nats_url = nats_url
        self._events = events

    async def run(self) -> None:
        """Take events until cancelled; NATS being away is waited for."""
        while True:
            try:
                await self._take()
            except* BusUnavailable as errors:
                # A first connection is sought for half a minute each time.
                log.warning("webhooks_wait_for_nats", error=repr(errors.exceptions[0]))

    async def _take(self) -> None:
        async with Bus.connect(self._nats_url, name=_NAME) as bus:
            consumer = PullConsumer(
                bus,
                stream=_STREAM,
                durable=_DURABLE,
                subject=_SUBJECT,
                max_in_flight=_AT_ONCE,
                ack_wait_s=_ACK_WAIT_S,
                handler=self._events.handle,
            )
            await consumer.run()
