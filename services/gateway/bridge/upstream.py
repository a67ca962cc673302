"""One HTTP attempt at a provider: POST a body, take at most so much of the answer."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

import aiohttp

from gateway.bridge.call import CallFailed
from gateway.bridge.catalogue import Provider
from gateway.bridge.sending import Sent

CONNECT_TIMEOUT_S = 10.0
KEEPALIVE_S = 30.0
DNS_CACHE_S = 30
ERROR_BODY_BYTES = 65536
AT_ONCE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an upstream answered; the body of an error may be cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """True for 2xx."""
        return _is_success(self.status)


class Upstream:
    """The HTTP client towards all providers.

    Follows no redirect (it would carry the key elsewhere), keeps no cookie (it would tie teams
    together) and verifies certificates.
    """

    def __init__(self, session: aiohttp.ClientSession, *, max_response_bytes: int) -> None:
        self._session = session
        self._max_response_bytes = max_response_bytes

    @classmethod
    @asynccontextmanager
    async def open(cls, *, max_response_bytes: int, trust_env: bool) -> AsyncIterator[Self]:
        """Open the connection pool; `trust_env` takes proxies from the environment."""
        # No limit here: each provider's slots bound the connections.
        connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=KEEPALIVE_S, ttl_dns_cache=DNS_CACHE_S
        )
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # The caller's attempt timeout is the only other clock.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            trust_env=trust_env,
        ) as session:
            yield cls(session, max_response_bytes=max_response_bytes)

    async def post(
        self, provider: Provider, sent: Sent, *, on_behalf_of: str, timeout_s: float
    ) -> Reply:
        """Send a body and return the answer, whatever its status.

        Raises:
            CallFailed: `model_timeout`, `model_unreachable` (no connection, or it broke), or
                `model_error` (the answer is larger than allowed).
        """
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.post(
                    f"{provider.base_url}/{sent.path}",
                    data=_payload(sent.body),
                    headers=_headers(provider, sent.content_type, on_behalf_of),
                    allow_redirects=False,
                ) as response,
            ):
                return await self._read(response)
        except aiohttp.ConnectionTimeoutError as error:
            raise _unreachable(provider, error) from error
        except TimeoutError as error:
            raise CallFailed(
                "model_timeout", f"provider {provider.name} did not answer within {timeout_s:g} s"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(provider, error) from error

    async def _read(self, response: aiohttp.ClientResponse) -> Reply:
        success = _is_success(response.status)
        limit = self._max_response_bytes if success else ERROR_BODY_BYTES
        body = await _read_at_most(response, limit + 1)
        if len(body) > limit and success:
            raise CallFailed(
                "model_error",
                f"the upstream's answer is larger than {limit} bytes",
                http_status=response.status,
            )
        return Reply(status=response.status, headers=response.headers, body=body[:limit])


def _payload(body: bytes) -> bytes | io.BytesIO:
    # A stream goes out in pieces: megabytes at once would hold up the loop.
    return body if len(body) <= AT_ONCE_BYTES else io.BytesIO(body)


def _is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


async def _read_at_most(response: aiohttp.ClientResponse, limit: int) -> bytes:
    length = response.content_length
    if length is not None and length <= limit and "Content-Encoding" not in response.headers:
        return await response.read()
    # Counted as it comes: a length may be missing, or a compressed body many times larger than it.
    chunks = []
    size = 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size >= limit:
            break
    return b"".join(chunks)[:limit]


def _headers(provider: Provider, content_type: str, on_behalf_of: str) -> dict[str, str]:
    headers = {
        "Content-Type": content_type,
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # unpacking costs CPU, and may be a bomb
        "User-Agent": "proctor",
    }
    if provider.key is not None:
        headers["Authorization"] = f"Bearer {provider.key.get_secret_value()}"
    if on_behalf_of:
        headers["X-On-Behalf-Of"] = on_behalf_of
    return headers


def _unreachable(provider: Provider, error: Exception) -> CallFailed:
    # The error's own text may quote what the upstream sent; its class says enough.
    return CallFailed(
        "model_unreachable", f"no answer from provider {provider.name}: {type(error).__name__}"
    )
