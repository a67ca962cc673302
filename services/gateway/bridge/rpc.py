"""The ModelBridge service."""

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.bridge.calling import ModelCalls
from gateway.bridge.run_tokens import RunTokens
from gateway.bridge.streams import CallStream
from proctor.models.v1 import model_bridge_service_pb2 as pb
from proctor.models.v1 import model_bridge_service_pb2_grpc as rpc

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["ModelBridgeService"].full_name


class AnswerWriter(Protocol):
    """The side of gRPC's context that sends an answer."""

    @property
    def write(self) -> Callable[[pb.GenerateResponse], Awaitable[None]]:
        """Sends one answer; one at a time."""
        ...


class ModelBridgeRpc(rpc.ModelBridgeServiceServicer):
    """Serves ModelBridgeService.

    Args:
        calls: Makes model calls.
        tokens: Renews run tokens.
        stream_max_in_flight: Most calls in flight on one stream.
    """

    def __init__(self, calls: ModelCalls, tokens: RunTokens, *, stream_max_in_flight: int) -> None:
        self._calls = calls
        self._tokens = tokens
        self._stream_max_in_flight = stream_max_in_flight

    # Not a generator: a cancelled one is closed by another task, and its calls would not be.
    async def Generate(  # type: ignore[override]  # noqa: N802 - the stub knows generators only
        self, request_iterator: AsyncIterable[pb.GenerateRequest], context: AnswerWriter
    ) -> None:
        """Answer the calls of one stream."""
        stream = CallStream(self._calls.answer, max_in_flight=self._stream_max_in_flight)
        await stream.serve(request_iterator, context.write)

    async def RenewRunToken(  # noqa: N802 - gRPC's name
        self,
        request: pb.RenewRunTokenRequest,
        context: object,  # noqa: ARG002 - gRPC's signature
    ) -> pb.RenewRunTokenResponse:
        """Exchange a run token for a fresh one."""
        fresh, expires_at = self._tokens.renew(request.run_token)
        expire_time = Timestamp()
        expire_time.FromDatetime(expires_at)
        return pb.RenewRunTokenResponse(run_token=fresh, expire_time=expire_time)
