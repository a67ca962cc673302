"""One request to the hub: who sees the token, how often it is tried, how a refusal is named."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx2
from huggingface_hub.errors import OfflineModeIsEnabled
from pydantic import SecretStr

from importer.domain.hub import HubAnswerInvalid, HubForbidden, HubNotFound, HubUnavailable

REDIRECTS_MAX = 5
_RETRY_AFTER_S_MAX = 30.0
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_MOVED = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the hub is waited for.

    Attributes:
        connect_s: for a connection.
        read_s: for the next bytes of an answer.
        attempts: how often a request is sent before the hub counts as away; a download that gets
            on begins to count anew.
        pause_s: before the second attempt; doubles with each further one.
    """

    connect_s: float = 10.0
    read_s: float = 30.0
    attempts: int = 6  # with the pauses of 0.5 to 8 s, 15 s of a hub that is away
    pause_s: float = 0.5

    def timeout(self) -> httpx2.Timeout:
        """Return the limits of one request."""
        return httpx2.Timeout(self.read_s, connect=self.connect_s)

    async def pause(self, failures: int, asked_s: float) -> None:
        """Wait after so many failures in a row, longer when the hub asked for it."""
        own_s = self.pause_s * 2 ** (failures - 1)
        await asyncio.sleep(max(own_s, min(asked_s, _RETRY_AFTER_S_MAX)))


class Interrupted(Exception):
    """A request failed in a way that another attempt may mend."""

    def __init__(self, cause: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(cause)
        self.retry_after_s = retry_after_s


class Requests:
    """Sends requests of one caller.

    Args:
        client: follows no redirect by itself and keeps nothing of another caller.
        endpoint: address of the hub; the token goes nowhere else.
        token: what proves the caller; None asks as anybody.
        patience: how long the hub is waited for.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient,
        *,
        endpoint: str,
        token: SecretStr | None,
        patience: Patience,
    ) -> None:
        self._client = client
        self._origin = _origin(endpoint)
        self._token = token
        self._patience = patience

    @asynccontextmanager
    async def opened(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx2.Response]:
        """Send one GET, follow its redirects and yield the answer with its body unread.

        Raises:
            Interrupted: the hub is away, busy or slow, also while the body is read.
            HubForbidden, HubNotFound, HubAnswerInvalid: another attempt would end the same.
        """
        try:
            for _ in range(REDIRECTS_MAX + 1):
                response = await self._client.send(self._request(url, headers or {}), stream=True)
                try:
                    if response.status_code not in _MOVED:
                        _check(response)
                        yield response
                        return
                    url = str(response.url.join(response.headers.get("location", "")))
                finally:
                    await response.aclose()
        except httpx2.InvalidURL:
            raise HubAnswerInvalid("the hub sent us to an address that is none") from None
        except OfflineModeIsEnabled:
            raise HubUnavailable("the hub is switched off by HF_HUB_OFFLINE") from None
        except httpx2.TimeoutException:
            raise Interrupted("it did not answer in time") from None
        except httpx2.HTTPError as error:  # its text may hold a signed address; its class does not
            raise Interrupted(f"the connection failed ({type(error).__name__})") from None
        raise HubAnswerInvalid(f"the hub sent us on more than {REDIRECTS_MAX} times")

    async def read(self, url: str, *, max_bytes: int) -> tuple[bytes, str | None]:
        """Return a short answer and the address of its next page, repeating what may be mended.

        Raises:
            HubUnavailable: all attempts failed.
            HubForbidden, HubNotFound, HubAnswerInvalid: it is refused, or longer than `max_bytes`.
        """
        failures = 0
        while True:
            try:
                async with self.opened(url) as response:
                    return await _body(response, max_bytes), self._next_page(response)
            except Interrupted as interruption:
                failures += 1
                await self.wait(failures, interruption)

    async def wait(self, failures: int, interruption: Interrupted) -> None:
        """Wait before the next attempt.

        Raises:
            HubUnavailable: there were `failures` in a row, and no attempt is left.
        """
        if failures >= self._patience.attempts:
            message = f"the hub cannot be used: {interruption} ({failures} attempts)"
            raise HubUnavailable(message, attempts=failures) from None
        await self._patience.pause(failures, interruption.retry_after_s)

    def _request(self, url: str, headers: Mapping[str, str]) -> httpx2.Request:
        origin = _origin(url)
        if origin[0] not in ("http", "https"):
            raise HubAnswerInvalid("the hub sent us to an address that is not http")
        # Ranges and lengths speak of the file only while nothing compresses it on the way.
        own = {"accept-encoding": "identity", "user-agent": "proctor"}
        if self._token is not None and origin == self._origin:
            own["authorization"] = f"Bearer {self._token.get_secret_value()}"
        return self._client.build_request(
            "GET", url, headers={**own, **headers}, timeout=self._patience.timeout()
        )

    def _next_page(self, response: httpx2.Response) -> str | None:
        link = response.links.get("next", {}).get("url")
        if link is None:
            return None
        url = str(response.url.join(link))
        if _origin(url) != self._origin:
            raise HubAnswerInvalid("the hub's list goes on at another host")
        return url


def _origin(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # an open bracket, or a port that is none
        raise HubAnswerInvalid("the hub sent us to an address that is none") from None
    return (
        parts.scheme,
        (parts.hostname or "").lower(),
        port or {"https": 443}.get(parts.scheme, 80),
    )


def _check(response: httpx2.Response) -> None:
    status = response.status_code
    if status in _TRANSIENT:
        seconds = response.headers.get("retry-after", "")
        asked_s = float(seconds) if seconds.isdecimal() else 0.0
        raise Interrupted(f"it answered with the status {status}", retry_after_s=asked_s)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise HubForbidden("the hub refuses access", status=status)
    if status == HTTPStatus.NOT_FOUND:
        raise HubNotFound("the hub does not have it", status=status)
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise HubAnswerInvalid(f"the hub answered with the status {status}", status=status)


async def _body(response: httpx2.Response, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_bytes:
            raise HubAnswerInvalid(f"the hub's answer is longer than {max_bytes} bytes")
    return bytes(body)
