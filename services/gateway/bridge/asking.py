"""Asking an upstream until it answers: attempts, repeats and what a last failure looks like."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from gateway.bridge.call import UPSTREAM_BODY_BYTES, CallFailed, Progress
from gateway.bridge.catalogue import Provider
from gateway.bridge.response_reading import error_in
from gateway.bridge.retrying import is_repeated, pause_s, retry_after_s
from gateway.bridge.sending import Sent
from gateway.bridge.upstream import Reply, Upstream
from servicekit.clock import Clock

_REPEATED_CODES = frozenset({"model_timeout", "model_unreachable"})


@dataclass(slots=True, kw_only=True)
class Question:
    """A request for an upstream, and the repeats that all its attempts share.

    Attributes:
        team: Whose turn at the provider it takes, by its full name.
    """

    team: str
    provider: Provider
    sent: Sent
    on_behalf_of: str
    timeout_s: float
    repeats_left: int
    repeats_made: int = 0


class Asker:
    """Makes attempts at upstreams, as many at a time as each provider takes.

    Args:
        pause: Waits so many seconds.
        chance: Draws a number from 0 to 1.
    """

    def __init__(
        self,
        upstream: Upstream,
        clock: Clock,
        *,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._upstream = upstream
        self._clock = clock
        self._pause = pause
        self._chance = chance

    async def ask(self, question: Question, progress: Progress) -> dict[str, Any]:
        """Return the upstream's answer, a JSON object.

        Raises:
            CallFailed: the last attempt failed, or a failure came that repeating does not mend.
        """
        while True:
            wait_s: float | None = None
            try:
                reply = await self._attempt(question, progress)
                if reply.is_success:
                    return _object_of(reply, question.provider)
                failure = _refusal(reply, question.provider)
                repeated = is_repeated(reply.status)
                wait_s = retry_after_s(reply.headers, self._clock.utc_now())
            except CallFailed as error:
                failure, repeated = error, error.code in _REPEATED_CODES
            if not repeated or question.repeats_left <= 0:
                raise failure
            question.repeats_left -= 1
            await self._pause(
                pause_s(question.repeats_made, retry_after_s=wait_s, chance=self._chance())
            )
            question.repeats_made += 1

    async def _attempt(self, question: Question, progress: Progress) -> Reply:
        # The one gate before a provider: what paces calls belongs here.
        async with question.provider.slots.place(question.team):
            progress.attempts += 1
            progress.started_at = progress.started_at or self._clock.utc_now()
            try:
                return await self._upstream.post(
                    question.provider,
                    question.sent,
                    on_behalf_of=question.on_behalf_of,
                    timeout_s=question.timeout_s,
                )
            finally:
                progress.ended_at = self._clock.utc_now()


def unusable(failure: CallFailed, answer: Mapping[str, object], provider: Provider) -> CallFailed:
    """Return `failure`, found in an answer that came with 200, with its beginning, without key."""
    return CallFailed(
        failure.code,
        provider.scrubber.text(failure.message),
        http_status=HTTPStatus.OK,
        upstream_body=_excerpt(answer, provider),
    )


def _object_of(reply: Reply, provider: Provider) -> dict[str, Any]:
    try:
        answer = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise _failure(
            "model_error", f"provider {provider.name} sent no JSON object", reply, provider
        )
    return answer


def _refusal(reply: Reply, provider: Provider) -> CallFailed:
    try:
        answer = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        answer = None
    said = error_in(answer) if isinstance(answer, dict) else ""
    message = f"provider {provider.name} answered {reply.status}{said}"
    return _failure(f"model_http_{reply.status}", message, reply, provider)


def _failure(code: str, message: str, reply: Reply, provider: Provider) -> CallFailed:
    return CallFailed(
        code,
        provider.scrubber.text(message),
        http_status=reply.status,
        upstream_body=body_excerpt(reply.body, provider),
    )


def body_excerpt(body: bytes, provider: Provider) -> str:
    """Return the beginning of an upstream's body without the key, at most 4 KiB of UTF-8."""
    try:
        # JSON may spell a key with escapes; written anew it has none.
        return _excerpt(orjson.loads(body), provider)
    except orjson.JSONDecodeError:
        return _cut(body.decode(errors="replace"), provider)


def _excerpt(answer: object, provider: Provider) -> str:
    try:
        return _cut(orjson.dumps(answer).decode(), provider)
    except TypeError:  # it nests too deep to be written, and read it may hide a key
        return ""


def _cut(text: str, provider: Provider) -> str:
    scrubbed = provider.scrubber.cut_text(text)[:UPSTREAM_BODY_BYTES]
    return scrubbed.encode()[:UPSTREAM_BODY_BYTES].decode(errors="ignore")
