"""Channels to other services: caller signed, deadline set, questions retried, errors translated.

grpc.aio's own client interceptors do not see what a stream raises while it is read, so calls are
wrapped instead: one wrapper for all four shapes of a call.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import grpc

from servicekit.caller import CALLER_METADATA_KEY, Caller, outgoing_caller, sign_caller
from servicekit.calls import Call
from servicekit.interception import OPEN_SERVICES
from servicekit.retrying import service_config
from servicekit.server import MESSAGE_BYTES_MAX
from servicekit.status import METADATA_BYTES_MAX
from servicekit.tokens import require_strong

UNARY_TIMEOUT_S = (
    60.0  # of a unary call that sets none; a stream without a timeout lives until it is closed
)
_TOKEN_LIFETIME_S = 60.0
_CALLERS_KEPT_MAX = 256

_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES_MAX),
    ("grpc.keepalive_time_ms", 30_000),  # finds a dead peer within 40 s, only while calls are open
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    (
        "grpc.http2.max_pings_without_data",
        0,
    ),  # 0: no limit; else a quiet stream stops being watched
    # gRPC's own ceiling is 2 minutes: a restarted service would look away for that long.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A shared connection that waits to reconnect would refuse the first calls of a new channel.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 1),
    # The environment may name a proxy, for the outside; our services are not there.
    ("grpc.enable_http_proxy", 0),
)


def open_channel(target: str, *, secret: bytes) -> grpc.aio.Channel:
    """A channel to the service at `target`; whoever opens it closes it.

    The target is `host:port`, `dns:///name:port` or `unix:/path`.

    Calls carry the caller of `calling_as`, else the one being served. What fails raises
    RemoteError, also while a stream is read or written. Make it inside the running loop.

    Raises:
        ValueError: the secret has fewer than 32 bytes.
    """
    require_strong(secret)
    options = (*_OPTIONS, ("grpc.service_config", service_config()))
    return _CallerChannel(grpc.aio.insecure_channel(target, options=options), secret)


class _CallerChannel(grpc.aio.Channel):
    """The channel underneath, with every call signed and its errors translated."""

    def __init__(self, channel: grpc.aio.Channel, secret: bytes) -> None:
        self._channel = channel
        self._tokens = _CallerTokens(secret)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - gRPC's signature
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._channel.channel_ready()

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        make = self._channel.unary_unary(method, *args, **kwargs)
        return self._calls(method, make, timeout_s=UNARY_TIMEOUT_S)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._calls(method, self._channel.unary_stream(method, *args, **kwargs))

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._calls(method, self._channel.stream_unary(method, *args, **kwargs))

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._calls(method, self._channel.stream_stream(method, *args, **kwargs))

    def _calls(
        self, method: str, make: Callable[..., Any], *, timeout_s: float | None = None
    ) -> Callable[..., Call]:
        is_open = method.startswith(OPEN_SERVICES)

        def call(
            request: Any = None,
            *,
            timeout: float | None = None,
            metadata: Sequence[tuple[str, str | bytes]] | None = None,
            **options: Any,
        ) -> Call:
            signed = () if is_open else ((CALLER_METADATA_KEY, self._tokens.of(outgoing_caller())),)
            return Call(
                make,
                request,
                method=method,
                timeout=timeout if timeout is not None else timeout_s,
                metadata=(*signed, *(metadata or ())),
                **options,
            )

        return call


class _CallerTokens:
    """Signed callers, each signed once in half its token's life: signing is a fifth of a call."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._kept: dict[Caller, tuple[str, float]] = {}

    def of(self, caller: Caller) -> str:
        now = time.monotonic()
        token, fresh_until = self._kept.get(caller, ("", 0.0))
        if now < fresh_until:
            return token
        if len(self._kept) >= _CALLERS_KEPT_MAX:
            self._kept.clear()  # most carry a request id, so they are not seen again
        token = sign_caller(caller, self._secret, lifetime_s=_TOKEN_LIFETIME_S)
        self._kept[caller] = (token, now + _TOKEN_LIFETIME_S / 2)
        return token
