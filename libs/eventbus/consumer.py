"""Taking work: pulled in batches, kept alive while it takes long, given back when it fails."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from eventbus.bus import AWAY_ERRORS, Bus
from servicekit import logs
from servicekit.errors import ServiceError

FETCH_MAX = 100  # beyond this a larger batch measured no faster
FETCH_TIMEOUT_S = 2.0  # a fetch that a restart of NATS cut off is noticed when it ends
REBIND_PERIOD_S = 1.0
RETRY_MIN_S = 1.0
RETRY_MAX_S = 60.0
NOT_NOW_S = 1.0  # a replica that is free gets the message first, since it need not wait for it
HEARTBEATS_PER_ACK_WAIT = 3  # two may be lost before JetStream gives the message to another
ACKS_PENDING_MAX = 10_000  # over all replicas; the default of 1,000 would cap them together

_log = logs.get_logger("eventbus.consumer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message that is ours for now; `attempt` counts from 1."""

    subject: str
    payload: bytes
    headers: Mapping[str, str]
    attempt: int


Handler = Callable[[Delivery], Awaitable[None]]


class NotNow(Exception):
    """Raised by a handler that has no room for the message: it comes again soon, here or elsewhere.

    It is not counted as a failure and not logged.
    """


class PullConsumer:
    """Calls `handler` for each message of a durable consumer, several at once.

    Replicas share the messages. A message is acknowledged when the handler returns. When it raises,
    the message comes again after 1 s, then 2 s, up to 60 s (`NotNow`: always after 1 s); when this
    process stops, at once. So a handler must bear a message twice.

    Args:
        bus: the connection.
        stream: name of the stream.
        durable: name of the consumer; the same in all replicas.
        subject: what of the stream it takes.
        max_in_flight: messages handled at once in this process.
        ack_wait_s: after this long without a sign of life another process gets the message.
        handler: may take as long as it likes; signs of life are sent meanwhile.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        stream: str,
        durable: str,
        subject: str,
        max_in_flight: int,
        ack_wait_s: float,
        handler: Handler,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._config = ConsumerConfig(
            durable_name=durable,
            filter_subject=subject,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_wait_s,
            max_deliver=-1,
            max_ack_pending=ACKS_PENDING_MAX,
        )
        self._durable = durable
        self._heartbeat_s = ack_wait_s / HEARTBEATS_PER_ACK_WAIT
        self._handler = handler
        self._max_in_flight = max_in_flight
        self._held: dict[
            _Key, Msg
        ] = {}  # with the latest delivery of each, which is to be answered
        self._freed = asyncio.Event()
        self._told = False

    async def run(self) -> None:
        """Take messages until cancelled; NATS being away is waited for.

        Raises:
            BusUnavailable: NATS refused us for good; the process should start anew.
        """
        async with asyncio.TaskGroup() as tasks:
            while True:
                _stop_if_cancelled()
                await self._bus.until_connected()
                try:
                    await self._take(tasks)
                except (*AWAY_ERRORS, NatsError) as error:
                    self._tell_away(error)
                    await asyncio.sleep(REBIND_PERIOD_S)

    async def _take(self, tasks: asyncio.TaskGroup) -> None:
        """Fetch until something is wrong with the subscription."""
        jetstream = self._bus.jetstream
        await jetstream.add_consumer(self._stream, self._config)
        subscription = await jetstream.pull_subscribe_bind(
            durable=self._durable, stream=self._stream
        )
        self._tell_back()
        try:
            while self._bus.healthy:
                await self._until_free()
                free = self._max_in_flight - len(self._held)
                messages = await _fetch(subscription, min(free, FETCH_MAX))
                if _is_being_cancelled():
                    for message in messages:
                        await _answer(message.nak())
                _stop_if_cancelled()
                for message in messages:
                    self._hold(message, tasks)
        finally:
            with suppress(*AWAY_ERRORS, NatsError):
                await subscription.unsubscribe()

    async def _until_free(self) -> None:
        while len(self._held) >= self._max_in_flight:
            self._freed.clear()
            await self._freed.wait()

    def _hold(self, message: Msg, tasks: asyncio.TaskGroup) -> None:
        key = _key(message)
        again = key in self._held
        self._held[key] = message
        if not again:  # else a restarted server forgot that we have it
            tasks.create_task(self._handle(key, tasks))

    async def _handle(self, key: "_Key", tasks: asyncio.TaskGroup) -> None:
        heartbeat = tasks.create_task(self._keep(key))
        try:
            await self._handler(_delivery(self._held[key]))
            await _answer(self._held[key].ack())
        except asyncio.CancelledError:
            if _is_being_cancelled():
                await _answer(self._held[key].nak())
                raise
            # Only something the handler waited for was cancelled.
            await self._give_back(key, asyncio.CancelledError("inside the handler"))
        except NotNow:
            await _answer(self._held[key].nak(delay=NOT_NOW_S))
        except Exception as error:  # noqa: BLE001 - one message's failure is not the consumer's
            await self._give_back(key, error)
        finally:
            heartbeat.cancel()
            del self._held[key]
            self._freed.set()

    async def _keep(self, key: "_Key") -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            await _answer(self._held[key].in_progress())

    async def _give_back(self, key: "_Key", error: BaseException) -> None:
        message = self._held[key]
        attempt = message.metadata.num_delivered
        delay_s = min(RETRY_MIN_S * 2 ** min(attempt - 1, 16), RETRY_MAX_S)
        _log.warning(
            "delivery_failed",
            subject=message.subject,
            attempt=attempt,
            retry_in_s=delay_s,
            error=repr(error),
            exc_info=None if isinstance(error, ServiceError) else error,
        )
        await _answer(message.nak(delay=delay_s))

    def _tell_away(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            _log.warning("consumer_waiting", consumer=self._durable, error=repr(error))

    def _tell_back(self) -> None:
        if self._told:
            self._told = False
            _log.info("consumer_resumed", consumer=self._durable)


async def _fetch(subscription: JetStreamContext.PullSubscription, batch: int) -> list[Msg]:
    try:
        return await subscription.fetch(batch, timeout=FETCH_TIMEOUT_S)
    except TimeoutError:  # nothing to do, or NATS is away: both end in another try
        return []


async def _answer(sending: Awaitable[None]) -> None:
    """Send an answer; when it is lost the message comes again, which handlers bear."""
    try:
        await sending
    except (*AWAY_ERRORS, NatsError) as error:
        _log.debug("answer_lost", error=repr(error))


class _Key(NamedTuple):
    """Tells messages apart, also when a stream was made anew and counts from 1 again."""

    sequence: int
    stored_at: datetime


def _key(message: Msg) -> _Key:
    return _Key(message.metadata.sequence.stream, message.metadata.timestamp)


def _delivery(message: Msg) -> Delivery:
    return Delivery(
        subject=message.subject,
        payload=message.data,
        headers=message.headers or {},
        attempt=message.metadata.num_delivered,
    )


def _stop_if_cancelled() -> None:
    """End what is being cancelled and does not know it.

    Before Python 3.12, `asyncio.wait_for` loses a cancellation that comes together with its result,
    and nats-py waits with it.
    """
    if _is_being_cancelled():
        raise asyncio.CancelledError


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
