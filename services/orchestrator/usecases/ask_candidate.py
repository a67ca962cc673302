"""Ask a candidate model through the bridge until there is a last word."""

import asyncio
import itertools
from collections.abc import Callable

import orjson

from orchestrator.domain.failure import Failure, shortened
from orchestrator.domain.outcomes import GENERATE_STAGE, ModelCall, ModelReply
from orchestrator.domain.text import storable
from orchestrator.ports.services import Bridge
from orchestrator.usecases.backoff import Backoff
from orchestrator.usecases.hold_run_token import RunToken

# By these the bridge says that something was wrong with us, not with the model's answer.
_TOKEN_REFUSED = "run_token_invalid"  # noqa: S105 -- a code
_TOKEN_TRIES_MAX = 3
_STALLED = "bridge_stalled"
_NOT_MADE = frozenset({"cancelled", "bridge_unavailable", _STALLED})
_NOT_MADE_TRIES_MAX = 700  # about an hour; then the sample says that it was the bridge

# What a call may take beyond its attempts' own limits: pauses between them, and its turn.
_PAUSE_S = 60.0
_QUEUEING_S = 1800.0


class Candidate:
    """Models of a run, asked with its token."""

    def __init__(self, bridge: Bridge, token: RunToken) -> None:
        self._bridge = bridge
        self._token = token

    async def ask(self, call: Callable[[str], ModelCall]) -> ModelReply:
        """Return an answer that is the model's, or the bridge's last word about the call.

        Args:
            call: Makes the call for a run token; made anew when that is replaced.
        """
        backoff = Backoff()
        run_token = await self._token.current()
        for attempt in itertools.count(1):
            reply = await self._ask_once(call(run_token))
            if reply.failure_code == _TOKEN_REFUSED and attempt <= _TOKEN_TRIES_MAX:
                run_token = await self._token.replace(run_token)
            elif reply.failure_code not in _NOT_MADE or attempt > _NOT_MADE_TRIES_MAX:
                return reply
            await backoff.wait()
        raise AssertionError

    async def _ask_once(self, call: ModelCall) -> ModelReply:
        attempts = (call.max_retries + 1) * (call.max_empty_retries + 1)
        try:
            async with asyncio.timeout(attempts * (call.timeout_s + _PAUSE_S) + _QUEUEING_S):
                return await self._bridge.generate(call)
        except TimeoutError:
            message = "the bridge did not answer in time"
            return ModelReply(failure_code=_STALLED, failure_message=message)


def generation_failure(reply: ModelReply) -> Failure:
    """Return what a call's last word was, as the failure of its samples."""
    details: dict[str, object] = {}
    if reply.http_status:
        details["http_status"] = reply.http_status
    if reply.upstream_body:
        details["upstream_body"] = reply.upstream_body
    return Failure(
        code=reply.failure_code,
        message=shortened(storable(reply.failure_message)),
        stage=GENERATE_STAGE,
        details_json=orjson.dumps(details).decode() if details else "",
    )
