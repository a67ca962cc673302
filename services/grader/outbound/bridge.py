"""The way from programs to models.

One stream to the model bridge for each grading, many calls on it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import grpc
import orjson

from grader.domain.model_calls import Method, ModelReply, ModelsLost
from grader.domain.strict_json import Json, encode
from proctor.models.v1 import model_bridge_service_pb2 as wire
from proctor.models.v1.model_bridge_service_pb2_grpc import ModelBridgeServiceStub
from servicekit.errors import ServiceError

if TYPE_CHECKING:
    from proctor.models.v1.model_bridge_service_pb2_grpc import ModelBridgeServiceAsyncStub

RENEW_TIMEOUT_S = 10.0
UPSTREAM_BODY_CHARS_MAX = 4_096

_ENDPOINTS = {
    Method.RESPONSES: wire.ENDPOINT_RESPONSES,
    Method.EMBEDDINGS: wire.ENDPOINT_EMBEDDINGS,
}
_UNREADABLE: Mapping[str, Json] = {
    "type": "ModelCallError",
    "code": "model_error",
    "message": "the model's answer cannot be read",
}
_TOKEN_REFUSED = "run_token_invalid"  # noqa: S105 - a failure code


class Bridge:
    """Sessions with the model bridge."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = ModelBridgeServiceStub(channel)

    @asynccontextmanager
    async def session(self, run_token: str) -> AsyncIterator["BridgeSession"]:
        """Calls made for the run of `run_token`.

        The stream opens with the first and closes with the block.
        """
        async with asyncio.TaskGroup() as tasks:
            session = BridgeSession(self._stub, run_token, tasks)
            try:
                yield session
            finally:
                session.close()


class BridgeSession:
    """Many calls over one stream. Made by `Bridge.session`."""

    def __init__(
        self, stub: "ModelBridgeServiceAsyncStub", run_token: str, tasks: asyncio.TaskGroup
    ) -> None:
        self._stub = stub
        self._run_token = run_token
        self._tasks = tasks
        self._stream: Any = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[str, asyncio.Future[wire.GenerateResponse]] = {}
        self._last_id = 0
        self._writing = asyncio.Lock()
        self._renewing = asyncio.Lock()

    async def call(self, method: Method, body: Mapping[str, Json], sample_id: str) -> ModelReply:
        """Make one call and wait for its end. Cancelled, it is cancelled at the bridge too.

        Raises:
            ModelsLost: the bridge is away or refuses the run token, also a fresh one.
        """
        token = self._run_token
        response = await self._asked(token, method, body, sample_id)
        if response.failure.code == _TOKEN_REFUSED:
            await self._renew(token)
            response = await self._asked(self._run_token, method, body, sample_id)
            if response.failure.code == _TOKEN_REFUSED:
                raise ModelsLost("the bridge refuses the run token")
        if response.HasField("failure"):
            return ModelReply(error=_error(response.failure))
        try:
            return ModelReply(body=_body(method, response.answer))
        except (ValueError, TypeError):
            return ModelReply(error=_UNREADABLE)

    def close(self) -> None:
        """Close the stream; the bridge stops whatever is still in flight."""
        if self._reader is not None:
            self._reader.cancel()
        if self._stream is not None:
            self._stream.cancel()

    async def _asked(
        self, token: str, method: Method, body: Mapping[str, Json], sample_id: str
    ) -> wire.GenerateResponse:
        self._last_id += 1
        request_id = str(self._last_id)
        call = wire.ModelCall(
            run_token=token,
            purpose=wire.PURPOSE_GRADER,
            endpoint=_ENDPOINTS[method],
            body_json=encode(dict(body)),
            include_body=True,
            sample_id=sample_id,
        )
        answered: asyncio.Future[wire.GenerateResponse] = asyncio.Future()
        self._waiting[request_id] = answered
        try:
            await self._write(wire.GenerateRequest(request_id=request_id, call=call))
            return await answered
        except asyncio.CancelledError:
            cancellation = self._cancel(request_id)
            try:
                self._tasks.create_task(cancellation)
            except RuntimeError:  # the session itself is ending, and the stream with it
                cancellation.close()
            raise
        finally:
            self._waiting.pop(request_id, None)

    async def _write(self, request: wire.GenerateRequest) -> None:
        async with self._writing:
            if self._stream is None:
                self._stream = self._stub.Generate()
                self._reader = self._tasks.create_task(self._read(self._stream))
            try:
                await self._stream.write(request)
            except (ServiceError, asyncio.InvalidStateError) as error:
                raise ModelsLost("the model bridge is away") from error

    async def _cancel(self, request_id: str) -> None:
        with suppress(ModelsLost):
            if self._stream is not None:
                await self._write(wire.GenerateRequest(request_id=request_id, cancel=True))

    async def _read(self, stream: Any) -> None:
        with suppress(ServiceError):
            async for response in stream:
                answered = self._waiting.get(response.request_id)
                if answered is not None and not answered.done():
                    answered.set_result(response)
        self._stream = None  # the next call opens another
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(ModelsLost("the model bridge went away"))

    async def _renew(self, refused: str) -> None:
        """Exchange the run token, once for all the calls that it was refused for."""
        async with self._renewing:
            if self._run_token != refused:
                return
            request = wire.RenewRunTokenRequest(run_token=refused)
            try:
                renewed = await self._stub.RenewRunToken(request, timeout=RENEW_TIMEOUT_S)
            except ServiceError as error:
                raise ModelsLost("the bridge does not renew the run token") from error
            self._run_token = renewed.run_token


def _body(method: Method, answer: wire.ModelAnswer) -> bytes:
    """The whole upstream answer; of a response, with `output_text` filled in."""
    if method is Method.EMBEDDINGS:
        return answer.body_json or b"{}"
    body = orjson.loads(answer.body_json) if answer.body_json else {"id": answer.response_id}
    return orjson.dumps({**body, "output_text": answer.output_text})


def _error(failure: wire.ModelFailure) -> dict[str, Json]:
    return {
        "type": "ModelCallError",
        "code": failure.code,
        "message": failure.message,
        "status": failure.http_status or None,
        "body": failure.upstream_body[:UPSTREAM_BODY_CHARS_MAX] or None,
    }
