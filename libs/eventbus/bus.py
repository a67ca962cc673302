"""One connection to JetStream: streams, publishing, and knowing whether it is there."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from nats.aio.client import Client
from nats.errors import ConnectionClosedError, ConnectionReconnectingError, OutboundBufferLimitError
from nats.js import JetStreamContext
from nats.js.api import Header, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NoStreamResponseError, ServiceUnavailableError

from servicekit import logs
from servicekit.errors import Kind, ServiceError

CONNECT_TIMEOUT_S = 30  # of the first connection; a lost one is sought for ever
PUBLISH_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.0
CANCEL_PERIOD_S = 0.1
RECONNECT_PERIOD_S = 0.5
PING_PERIOD_S = (
    10  # two unanswered pings end the connection: a silent server is noticed within 30 s
)
_STREAM_EXISTS = 10058  # JetStream: a stream of this name exists with another configuration

# asyncio's and nats-py's own timeouts are both TimeoutError.
AWAY_ERRORS = (
    TimeoutError,
    OSError,
    ConnectionClosedError,
    ConnectionReconnectingError,
    NoStreamResponseError,
    OutboundBufferLimitError,
    ServiceUnavailableError,
)

_log = logs.get_logger("eventbus.bus")


class BusUnavailable(ServiceError):
    """NATS cannot be reached or has no such stream; the message may be stored or not."""

    kind = Kind.UNAVAILABLE
    reason = "BUS_UNAVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    """A stream as it shall be.

    Attributes:
        name: upper case by custom.
        subjects: patterns; no two streams may overlap.
        kind: "work" keeps a message until one consumer took it, "events" until its age.
        max_age_s: 0 keeps messages for ever.
        duplicate_window_s: how long a message id is remembered.
        replicas: copies in a NATS cluster.
    """

    name: str
    subjects: tuple[str, ...]
    kind: Literal["work", "events"]
    max_age_s: float = 0
    duplicate_window_s: float = 120
    replicas: int = 1


class Bus:
    """A connection that is kept for ever; use `connect`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._specs: dict[str, StreamSpec] = {}
        self._connected = asyncio.Event()
        self._closing = False

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, *, name: str) -> AsyncIterator["Bus"]:
        """Connect under `name` (shown in NATS's monitoring), and close at the end of the block.

        Raises:
            BusUnavailable: nothing answered within 30 s.
        """
        client = Client()
        bus = cls(client)
        await bus._open(url, name)
        try:
            yield bus
        finally:
            await bus._close()

    @property
    def healthy(self) -> bool:
        """Whether the connection stands now."""
        return self._client.is_connected

    @property
    def jetstream(self) -> JetStreamContext:
        """nats-py's own context, for what this class does not cover."""
        return self._client.jetstream()

    async def publish(
        self,
        subject: str,
        payload: bytes,
        *,
        message_id: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Store a message; returns when JetStream has it.

        A second message with the same id within the stream's duplicate window is dropped, and this
        still succeeds.

        Raises:
            BusUnavailable: NATS is away, or no stream takes the subject; try again with the same
                id.
        """
        if (
            not self.healthy
        ):  # nats-py would keep the bytes and send them later, long after we gave up
            raise BusUnavailable("NATS cannot be reached")
        try:
            await self._client.jetstream().publish(
                subject,
                payload,
                timeout=PUBLISH_TIMEOUT_S,
                headers={**(headers or {}), Header.MSG_ID.value: message_id},
            )
        except AWAY_ERRORS as error:
            raise BusUnavailable(f"NATS did not take {subject}", subject=subject) from error

    async def ensure_stream(self, spec: StreamSpec) -> None:
        """Create the stream, or change it to `spec`; done again after each reconnection.

        NATS is not the truth: a server that lost its disk gets its streams back, and a sweeper
        sends again what Postgres says is unfinished.

        Raises:
            BusUnavailable: NATS is away.
            nats.js.errors.APIError: the change is impossible, such as another `kind`.
        """
        self._specs[spec.name] = spec
        config = _config(spec)
        try:
            try:
                await self.jetstream.add_stream(config)
            except BadRequestError as error:
                if error.err_code != _STREAM_EXISTS:
                    raise
                await self.jetstream.update_stream(config)
        except AWAY_ERRORS as error:
            raise BusUnavailable("NATS cannot be reached") from error

    async def until_connected(self) -> None:
        """Return when the connection stands.

        Raises:
            BusUnavailable: it was closed for good, because NATS refused us.
        """
        await self._connected.wait()
        if self._client.is_closed:
            raise BusUnavailable("NATS closed the connection for good")

    async def _open(self, url: str, name: str) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._client.connect(
                    url,
                    name=name,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=RECONNECT_PERIOD_S,  # type: ignore[arg-type] # passed to asyncio.sleep
                    ping_interval=PING_PERIOD_S,
                    error_cb=_on_error,
                    disconnected_cb=self._on_disconnected,
                    reconnected_cb=self._on_reconnected,
                    closed_cb=self._on_closed,
                )
        except TimeoutError as error:
            await self._client.close()
            raise BusUnavailable("NATS cannot be reached") from error
        self._connected.set()

    async def _close(self) -> None:
        self._closing = True
        with suppress(*AWAY_ERRORS):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._client.close()  # writes what is still to be sent, such as acks
                # Before Python 3.12, wait_for may lose a cancellation, and nats-py waits with it:
                # its search for a server that is away would go on after the close.
                seeking = self._client._reconnection_task  # noqa: SLF001 - it has no name in public
                while seeking is not None and not seeking.done():
                    seeking.cancel()
                    await asyncio.wait([seeking], timeout=CANCEL_PERIOD_S)

    async def _on_disconnected(self) -> None:
        self._connected.clear()
        if not self._closing:
            _log.warning("bus_disconnected")

    async def _on_reconnected(self) -> None:
        _log.info("bus_reconnected")
        self._connected.set()
        for spec in tuple(self._specs.values()):
            try:
                await self.ensure_stream(spec)
            except Exception as error:  # noqa: BLE001 - inside nats-py's own task; publishing will tell
                _log.warning("stream_not_restored", stream=spec.name, error=repr(error))

    async def _on_closed(self) -> None:
        self._connected.set()  # let waiters see it
        if not self._closing:
            _log.error("bus_closed", error=repr(self._client.last_error))


def _config(spec: StreamSpec) -> StreamConfig:
    work = spec.kind == "work"
    return StreamConfig(
        name=spec.name,
        subjects=list(spec.subjects),
        retention=RetentionPolicy.WORK_QUEUE if work else RetentionPolicy.LIMITS,
        max_age=spec.max_age_s,
        duplicate_window=spec.duplicate_window_s,
        storage=StorageType.FILE,
        num_replicas=spec.replicas,
    )


async def _on_error(error: Exception) -> None:
    # Each failed attempt to reconnect comes here; the loss itself was told as bus_disconnected.
    _log.debug("bus_error", error=repr(error))
