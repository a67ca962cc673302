"""Recordings that rows name by URL, fetched from the public Internet."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import urljoin

import aiohttp

from gateway.bridge.call import CallFailed
from gateway.bridge.retrying import is_repeated, pause_s
from gateway.bridge.speech.recording import (
    RECORDING_BYTES_MAX,
    Recording,
    recording_of,
    too_large,
)
from servicekit.public_web import PublicWeb, UrlRefused, is_refusal

FETCH_TIMEOUT_S = 60.0
REPEATS = 2
# Hubs send clients on to where their files lie; more than a few hops is a loop.
_REDIRECTS_MAX = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {
    "Accept": "audio/*, video/*;q=0.9, application/octet-stream;q=0.8, */*;q=0.1",
    "Accept-Encoding": "identity",  # unpacking costs CPU, and may be a bomb
    "User-Agent": "proctor",
}


class _Passing(Exception):
    """A failure that another attempt may mend."""


class Recordings:
    """Fetches recordings by URL.

    Args:
        pause: Waits so many seconds.
    """

    def __init__(
        self,
        public: PublicWeb,
        *,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._public = public
        self._pause = pause
        self._chance = chance

    async def fetch(self, url: str, *, timeout_s: float) -> Recording:
        """Return the recording at `url`; each attempt has `timeout_s`, at most a minute.

        Raises:
            CallFailed: `audio_unreachable`, `audio_too_large` or `audio_invalid`.
        """
        repeat = 0
        while True:
            try:
                async with asyncio.timeout(min(timeout_s, FETCH_TIMEOUT_S)):
                    return await self._follow(url)
            except TimeoutError:
                problem = "its server did not answer in time"
            except _Passing as error:
                problem = str(error)
            except (aiohttp.ClientError, OSError) as error:
                if is_refusal(error):
                    raise _unreachable("its address is not public") from error
                problem = "its server could not be reached"
            if repeat >= REPEATS:
                raise _unreachable(problem)
            await self._pause(pause_s(repeat, retry_after_s=None, chance=self._chance()))
            repeat += 1

    async def _follow(self, url: str) -> Recording:
        for _ in range(_REDIRECTS_MAX + 1):
            try:
                async with self._public.request("GET", url, headers=_HEADERS) as answer:
                    if answer.status not in _REDIRECTS:
                        return await _read(answer)
                    # Every hop goes through the same gate as the first.
                    url = _next(url, answer.headers.get("Location", ""))
            except UrlRefused as refused:
                raise CallFailed("audio_invalid", f"the audio's URL {refused}") from refused
        raise _unreachable("its server sends it on and on")


def _next(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise _unreachable("its server sends it to an address that is none") from error


async def _read(answer: aiohttp.ClientResponse) -> Recording:
    if answer.status != HTTPStatus.OK:
        problem = f"its server answered {answer.status}"
        if is_repeated(answer.status):
            raise _Passing(problem)
        raise _unreachable(problem)
    if (answer.content_length or 0) > RECORDING_BYTES_MAX:
        raise too_large()
    # Counted as it comes: a length may be missing, or untrue.
    content = bytearray()
    async for chunk in answer.content.iter_any():
        content += chunk
        if len(content) > RECORDING_BYTES_MAX:
            raise too_large()
    return recording_of(bytes(content), declared=answer.headers.get("Content-Type", ""))


def _unreachable(problem: str) -> CallFailed:
    # Without the URL: what signs it is a secret, and its row is with the sample.
    return CallFailed("audio_unreachable", f"the audio could not be fetched: {problem}")
