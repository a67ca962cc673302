"""A model bridge that answers what the person at the terminal said, and notes what it was asked."""

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from pydantic import JsonValue

from cli.errors import NothingGraded
from cli.trials.reading import read_argument
from proctor.models.v1 import model_bridge_service_pb2 as pb
from proctor.models.v1.model_bridge_service_pb2_grpc import (
    ModelBridgeServiceServicer,
    add_ModelBridgeServiceServicer_to_server,
)
from servicekit.causes import causes
from servicekit.server import RpcServer

JUDGE_MODEL = "trial-judge"
EMBEDDING_MODEL = "trial-embedding"
_SERVICE = "proctor.models.v1.ModelBridgeService"
_STOP_GRACE_S = 0.1

Vector = Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCall:
    """One model call of a grader.

    Attributes:
        sample_id: the sample it was made for; empty for an execution over many samples.
        method: of `ctx`, such as `responses_create`.
        body: what was sent.
    """

    sample_id: str
    method: str
    body: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What models say; None where nobody said it.

    Attributes:
        text: to every `ctx.responses_create`.
        vectors: to every `ctx.embeddings_create`: text after text of a call takes the next one.
    """

    text: str | None = None
    vectors: Sequence[Vector] | None = None


def read_vectors(value: str) -> list[Vector]:
    """Read `--embedding`: an array of numbers, or an array of such arrays.

    Raises:
        NothingGraded: it is something else.
    """
    try:
        read = json.loads(read_argument(value))
    except ValueError as error:
        raise NothingGraded(f"--embedding is not JSON: {error}.") from error
    vectors = read if isinstance(read, list) and read and isinstance(read[0], list) else [read]
    if not all(isinstance(vector, list) and vector for vector in vectors) or not all(
        isinstance(number, int | float) and not isinstance(number, bool)
        for vector in vectors
        for number in vector
    ):
        raise NothingGraded("--embedding must be an array of numbers, or an array of such arrays.")
    return [[float(number) for number in vector] for vector in vectors]


@dataclass(slots=True)
class PlayedBridge(ModelBridgeServiceServicer):
    """Answers every call with the same, or fails it with a sentence that says what to do."""

    answers: Answers
    calls: list[AskedCall] = field(default_factory=list)

    async def Generate(  # noqa: N802 - named by the proto
        self,
        request_iterator: AsyncIterator[pb.GenerateRequest],
        context: grpc.ServicerContext,  # noqa: ARG002 - gRPC's signature
    ) -> AsyncIterator[pb.GenerateResponse]:
        """Answer call after call; a cancelled one was answered before."""
        async for request in request_iterator:
            if request.HasField("call"):
                yield self._answer(request)

    async def RenewRunToken(  # noqa: N802 - named by the proto
        self,
        request: pb.RenewRunTokenRequest,
        context: grpc.ServicerContext,  # noqa: ARG002 - gRPC's signature
    ) -> pb.RenewRunTokenResponse:
        """Return the token: here none is ever refused."""
        return pb.RenewRunTokenResponse(run_token=request.run_token)

    def _answer(self, request: pb.GenerateRequest) -> pb.GenerateResponse:
        body = json.loads(request.call.body_json)
        asks_text = request.call.endpoint == pb.ENDPOINT_RESPONSES
        method = "responses_create" if asks_text else "embeddings_create"
        self.calls.append(AskedCall(sample_id=request.call.sample_id, method=method, body=body))
        response = pb.GenerateResponse(request_id=request.request_id, attempts=1)
        text, vectors = self.answers.text, self.answers.vectors
        if asks_text and text is not None:
            response.answer.CopyFrom(_response(body, text, len(self.calls)))
        elif not asks_text and vectors is not None:
            response.answer.body_json = json.dumps(_embeddings(body, vectors)).encode()
        else:
            option = "--judge-output TEXT" if asks_text else "--embedding JSON"
            response.failure.code = "model_unreachable"
            response.failure.message = (
                f"no model answers ctx.{method} in a trial: say with {option} what it answers"
            )
        return response


@asynccontextmanager
async def playing(bridge: PlayedBridge, *, secret: str) -> AsyncIterator[int]:
    """Serve the bridge on the loopback address for the length of a block; yields its port."""
    server = RpcServer(
        address="127.0.0.1:0",
        secret=secret.encode(),
        services=((add_ModelBridgeServiceServicer_to_server, bridge, _SERVICE),),
        stop_grace_s=_STOP_GRACE_S,
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.run())
            try:
                yield server.port
            finally:
                serving.cancel()
    except ExceptionGroup as failures:
        raise next(causes(failures)) from None


def _response(body: dict[str, JsonValue], text: str, number: int) -> pb.ModelAnswer:
    id_ = f"resp_trial_{number}"
    content: JsonValue = [{"type": "output_text", "text": text, "annotations": []}]
    whole: JsonValue = {
        "id": id_,
        "object": "response",
        "status": "completed",
        "model": body.get("model"),
        "output": [
            {"type": "message", "role": "assistant", "status": "completed", "content": content}
        ],
        "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
    }
    return pb.ModelAnswer(
        response_id=id_,
        output_text=text,
        status=pb.RESPONSE_STATUS_COMPLETED,
        body_json=json.dumps(whole).encode(),
    )


def _embeddings(body: dict[str, JsonValue], vectors: Sequence[Vector]) -> JsonValue:
    asked = body.get("input")
    # A list of numbers is one text in tokens.
    is_many = isinstance(asked, list) and not all(isinstance(part, int) for part in asked)
    count = len(asked) if is_many and isinstance(asked, list) else 1
    chosen = [vectors[place % len(vectors)] for place in range(count)]
    packed = body.get("encoding_format") == "base64"
    data: JsonValue = [
        {
            "object": "embedding",
            "index": place,
            "embedding": _packed(vector) if packed else list(vector),
        }
        for place, vector in enumerate(chosen)
    ]
    usage: JsonValue = {"prompt_tokens": 0, "total_tokens": 0}
    return {"object": "list", "data": data, "model": body.get("model"), "usage": usage}


def _packed(vector: Vector) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
