"""One model call from its caller to its answer: may it, where does it go, what came back."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus

import orjson

from gateway.bridge.adapters.adapter import ADAPTERS, Read, read_speech
from gateway.bridge.asking import Asker, Question, unusable
from gateway.bridge.budget import CallBudget
from gateway.bridge.call import (
    Answer,
    AnswerStatus,
    CallFailed,
    Endpoint,
    ModelCall,
    Progress,
    Purpose,
    invalid_request,
)
from gateway.bridge.catalogue import Catalogue, Route
from gateway.bridge.metering import UsageMeter
from gateway.bridge.request_body import read_body
from gateway.bridge.run_tokens import RunTokens
from gateway.bridge.sending import Sent
from gateway.bridge.speech.requests import SpeechRequests
from gateway.domain.run_token import RunGrant
from gateway.domain.usage import TokenCounts
from servicekit.caller import team_of
from servicekit.clock import Clock
from servicekit.errors import ServiceError
from servicekit.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    question: Question
    read: Read
    body: Mapping[str, object]
    note: Callable[[TokenCounts], None]


class ModelCalls:
    """Answers model calls, each on its own."""

    def __init__(
        self,
        *,
        tokens: RunTokens,
        catalogue: Catalogue,
        budget: CallBudget,
        meter: UsageMeter,
        asker: Asker,
        speech: SpeechRequests,
        clock: Clock,
    ) -> None:
        self._tokens = tokens
        self._catalogue = catalogue
        self._budget = budget
        self._meter = meter
        self._asker = asker
        self._speech = speech
        self._clock = clock

    async def answer(self, call: ModelCall, progress: Progress) -> Answer:
        """Return what the model answered; `progress` tells meanwhile how far the call has come.

        Raises:
            CallFailed: it was refused or came to nothing. Never anything else.
        """
        outcome = "cancelled"
        http_status = 0
        try:
            answer = await self._answer(call, progress)
        except CallFailed as failure:
            outcome, http_status = failure.code, failure.http_status
            raise
        except Exception as error:
            # The database away, or our mistake: one call's trouble must not end its neighbours'.
            outcome = "bridge_unavailable"
            _tell(error, call)
            raise CallFailed(outcome, "the bridge could not make the call; try again") from error
        else:
            outcome, http_status = answer.status or "completed", HTTPStatus.OK.value
            return answer
        finally:
            self._log(call, progress, outcome, http_status)

    async def _answer(self, call: ModelCall, progress: Progress) -> Answer:
        grant = self._tokens.grant_of(call.run_token)
        progress.run_id, progress.team_id = grant.run_id, grant.team_id
        body = read_body(call)
        progress.model = body["model"]
        _require_allowed(grant, call, progress.model)
        route = self._catalogue.route(progress.model, call.endpoint)
        progress.provider = route.provider.name
        team = team_of(grant)
        async with self._request(call, body, route, team=team) as (sent, read):
            await self._budget.take(grant)
            question = Question(
                team=team,
                provider=route.provider,
                sent=sent,
                on_behalf_of=grant.on_behalf_of,
                timeout_s=call.attempt_timeout_s,
                repeats_left=call.max_retries,
            )
            note = partial(self._note, call, grant, progress.model)
            asked = _Asked(question=question, read=read, body=body, note=note)
            answer = await self._first_text(asked, progress, repeats=call.max_empty_retries)
        return _passed_on(answer, call, route)

    @asynccontextmanager
    async def _request(
        self, call: ModelCall, body: Mapping[str, object], route: Route, *, team: str
    ) -> AsyncIterator[tuple[Sent, Read]]:
        """What the upstream is sent, and how its answer is read."""
        if call.endpoint is Endpoint.TRANSCRIPTIONS:
            timeout_s = call.attempt_timeout_s
            async with self._speech.request(body, route, team=team, timeout_s=timeout_s) as sent:
                yield sent, read_speech
        else:
            adapter = ADAPTERS[route.api]
            body_json = _written(adapter.request(body, route))
            yield Sent(path=adapter.path, body=body_json), adapter.read

    async def _first_text(self, asked: _Asked, progress: Progress, *, repeats: int) -> Answer:
        """Ask until a text is there, at most `repeats` times again."""
        answer = await self._ask(asked, progress)
        for _ in range(repeats):
            if answer.output_text.strip() or answer.status in {None, AnswerStatus.FAILED}:
                break
            try:
                answer = await self._ask(asked, progress)
            except CallFailed:
                break  # an empty text is an answer; that asking again failed does not undo it
        return answer

    async def _ask(self, asked: _Asked, progress: Progress) -> Answer:
        question = asked.question
        upstream = await self._asker.ask(question, progress)
        now_s = int(self._clock.utc_now().timestamp())
        try:
            answer = asked.read(upstream, asked.body, now_s)
        except CallFailed as failure:
            raise unusable(failure, upstream, question.provider) from failure
        asked.note(answer.tokens)
        return answer

    def _note(self, call: ModelCall, grant: RunGrant, model: str, tokens: TokenCounts) -> None:
        # The tokens of candidates are kept with their samples.
        if call.purpose is Purpose.GRADER:
            self._meter.note(grant, model, tokens)

    def _log(self, call: ModelCall, progress: Progress, outcome: str, http_status: int) -> None:
        started, ended = progress.started_at, progress.ended_at
        log.info(
            "model_called",
            run_id=progress.run_id,
            team_id=progress.team_id,  # the caller of a stream is not the team
            sample_id=call.sample_id,
            purpose=call.purpose,
            model=progress.model,
            provider=progress.provider,
            outcome=outcome,
            http_status=http_status,
            attempts=progress.attempts,
            duration_ms=round((ended - started).total_seconds() * 1000, 1)
            if started and ended
            else 0,
        )


def _tell(error: Exception, call: ModelCall) -> None:
    known = isinstance(error, ServiceError | TimeoutError)
    reason = error.reason if isinstance(error, ServiceError) else type(error).__name__
    log.error(
        "model_call_broke",
        sample_id=call.sample_id,
        reason=reason,
        exc_info=None if known else error,
    )


def _require_allowed(grant: RunGrant, call: ModelCall, model: str) -> None:
    if call.purpose is Purpose.CANDIDATE:
        allowed = grant.allows_candidate(model)
    elif call.endpoint is Endpoint.TRANSCRIPTIONS:
        raise invalid_request("graders cannot ask for transcriptions")
    else:
        allowed = grant.allows_grader(model, embeddings=call.endpoint is Endpoint.EMBEDDINGS)
    if not allowed:
        raise CallFailed(
            "model_not_allowed", f"the run may not call model {model!r} as {call.purpose}"
        )


def _passed_on(answer: Answer, call: ModelCall, route: Route) -> Answer:
    """Return the answer as its caller gets it, without the provider's key.

    Raises:
        CallFailed: `model_error`, it says of itself that it failed, or cannot be written.
    """
    if answer.status is AnswerStatus.FAILED and not call.include_body:
        failure = CallFailed("model_error", answer.error_message)
        raise unusable(failure, answer.body, route.provider)
    try:
        return _scrubbed(answer, route, include_body=call.include_body)
    except TypeError as error:
        too_deep = CallFailed("model_error", "the upstream's answer nests too deep")
        raise unusable(too_deep, answer.body, route.provider) from error


def _written(body: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError as error:
        raise invalid_request("the request body nests too deep") from error


def _scrubbed(answer: Answer, route: Route, *, include_body: bool) -> Answer:
    scrubber = route.provider.scrubber
    return replace(
        answer,
        output_text=scrubber.text(answer.output_text),
        reasoning=scrubber.text(answer.reasoning),
        response_id=scrubber.text(answer.response_id),
        body={},
        body_json=scrubber.json(orjson.dumps(answer.body)) if include_body else b"",
    )
