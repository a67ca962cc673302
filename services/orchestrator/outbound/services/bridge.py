"""The model bridge: many calls over a stream, opened again for as long as it takes."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from orchestrator.domain.outcomes import Endpoint, ModelCall, ModelReply
from orchestrator.outbound.services.wire import moment_from, tokens_from
from proctor.models.v1.model_bridge_service_pb2 import (
    ENDPOINT_EMBEDDINGS,
    ENDPOINT_RESPONSES,
    ENDPOINT_TRANSCRIPTIONS,
    PURPOSE_CANDIDATE,
    GenerateRequest,
    GenerateResponse,
    RenewRunTokenRequest,
)
from proctor.models.v1.model_bridge_service_pb2 import ModelCall as WireCall
from proctor.models.v1.model_bridge_service_pb2_grpc import ModelBridgeServiceStub
from servicekit import logs
from servicekit.caller import Caller, calling_as, outgoing_caller, team_of

# Each call has a run token, which names its team; this names the process.
_SELF = Caller(org_id="proctor", team_id="orchestrator")

_RENEW_TIMEOUT_S = 10.0
_RETRY_FIRST_S = 0.1
_RETRY_LONGEST_S = 3.0
# A stream without calls is closed: teams come and go.
_IDLE_S = 30.0

_ENDPOINTS = {
    Endpoint.RESPONSES: ENDPOINT_RESPONSES,
    Endpoint.EMBEDDINGS: ENDPOINT_EMBEDDINGS,
    Endpoint.TRANSCRIPTIONS: ENDPOINT_TRANSCRIPTIONS,
}

_log = logs.get_logger("orchestrator.bridge")


@dataclass(slots=True)
class _Pending:
    """A call that has no answer yet."""

    request: GenerateRequest
    answer: asyncio.Future[GenerateResponse]


class GrpcBridge:
    """The bridge over one `Generate` stream a team; use `open`.

    The bridge reads no more of a stream while as many of its calls as may be are in flight, so that
    teams on one stream would wait for each other's models.
    """

    def __init__(self, channel: grpc.aio.Channel, tasks: asyncio.TaskGroup) -> None:
        self._stub: Any = ModelBridgeServiceStub(channel)
        self._tasks = tasks
        self._streams: dict[str, _Stream] = {}
        self._streaming: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, channel: grpc.aio.Channel) -> AsyncIterator["GrpcBridge"]:
        """Keep streams to the bridge while the block runs."""
        async with asyncio.TaskGroup() as tasks:
            bridge = cls(channel, tasks)
            try:
                yield bridge
            finally:
                for streaming in bridge._streaming:
                    streaming.cancel()

    async def generate(self, call: ModelCall) -> ModelReply:
        """Make a model call. A bridge that is away is waited for, and the call sent again.

        Cancelled, it tells the bridge to stop the call.
        """
        caller = outgoing_caller()
        team = team_of(caller)
        if team not in self._streams:
            self._streams[team] = _Stream(self._stub)
            # Not in the context of this call, whose run is not the stream's.
            streaming = self._tasks.create_task(
                self._stream_on(team), name=f"bridge {team}", context=Context()
            )
            self._streaming.add(streaming)
            streaming.add_done_callback(self._streaming.discard)
        return await self._streams[team].generate(call)

    async def renew(self, run_token: str) -> str:
        """Return a fresh run token with the bounds of the old one."""
        request = RenewRunTokenRequest(run_token=run_token)
        with calling_as(_SELF):
            answer = await self._stub.RenewRunToken(request, timeout=_RENEW_TIMEOUT_S)
        return str(answer.run_token)

    async def _stream_on(self, team: str) -> None:
        try:
            with logs.bind_log_fields(team=team):
                await self._streams[team].run()
        finally:
            del self._streams[team]


class _Stream:
    """Calls over one stream, opened again for as long as there are calls."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub
        self._numbers = itertools.count(1)
        self._pending: dict[str, _Pending] = {}
        self._unsent: deque[GenerateRequest] = deque()
        self._wake = asyncio.Event()
        self._heard = False

    async def generate(self, call: ModelCall) -> ModelReply:
        request_id = str(next(self._numbers))
        request = GenerateRequest(request_id=request_id, call=_wire_call(call))
        pending = _Pending(request, asyncio.get_running_loop().create_future())
        self._pending[request_id] = pending
        self._send(request)
        try:
            return _reply(await pending.answer)
        finally:
            if self._pending.pop(request_id, None) is not None:
                self._send(GenerateRequest(request_id=request_id, cancel=True))

    async def run(self) -> None:
        """Carry calls until there was none for a while."""
        retry_s = _RETRY_FIRST_S
        while self._pending:
            self._heard = False
            try:
                await self._stream()
            except Exception as error:  # noqa: BLE001 -- whatever ended it, it is opened again
                _log.warning("bridge_stream_lost", calls=len(self._pending), error=repr(error))
            if not self._pending:
                return
            retry_s = _RETRY_FIRST_S if self._heard else min(2 * retry_s, _RETRY_LONGEST_S)
            await asyncio.sleep(retry_s)

    def _send(self, request: GenerateRequest) -> None:
        self._unsent.append(request)
        self._wake.set()

    async def _stream(self) -> None:
        """Open a stream, send every call that has no answer, and settle answers until it ends."""
        self._unsent = deque(pending.request for pending in self._pending.values())
        with calling_as(_SELF):
            call = self._stub.Generate()
        try:
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self._write(call))
                async for response in call:
                    self._heard = True
                    self._settle(response)
                writing.cancel()
        finally:
            call.cancel()

    async def _write(self, call: Any) -> None:
        while True:
            while self._unsent:
                await call.write(self._unsent.popleft())
            self._wake.clear()
            try:
                async with asyncio.timeout(_IDLE_S):
                    await self._wake.wait()
            except TimeoutError:
                if not self._pending:
                    await call.done_writing()
                    return

    def _settle(self, response: GenerateResponse) -> None:
        pending = self._pending.pop(response.request_id, None)
        if pending is not None and not pending.answer.done():
            pending.answer.set_result(response)


def _wire_call(call: ModelCall) -> WireCall:
    seconds = int(call.timeout_s)
    return WireCall(
        run_token=call.run_token,
        purpose=PURPOSE_CANDIDATE,
        endpoint=_ENDPOINTS[call.endpoint],
        body_json=call.body_json,
        attempt_timeout=Duration(seconds=seconds, nanos=int((call.timeout_s - seconds) * 1e9)),
        max_retries=call.max_retries,
        max_empty_retries=call.max_empty_retries,
        # Vectors are nowhere else.
        include_body=call.endpoint is Endpoint.EMBEDDINGS,
        sample_id=call.sample_id,
    )


def _reply(response: GenerateResponse) -> ModelReply:
    started = moment_from(response.start_time) if response.HasField("start_time") else None
    ended = moment_from(response.end_time) if response.HasField("end_time") else None
    if response.WhichOneof("result") == "answer":
        answer = response.answer
        return ModelReply(
            response_id=answer.response_id,
            output_text=answer.output_text,
            reasoning=answer.reasoning,
            tokens=tokens_from(answer.tokens),
            started_at=started,
            ended_at=ended,
            body_json=answer.body_json,
        )
    failure = response.failure
    return ModelReply(
        started_at=started,
        ended_at=ended,
        failure_code=failure.code or "model_error",
        failure_message=failure.message,
        http_status=failure.http_status,
        upstream_body=failure.upstream_body,
    )
