"""A model bridge on loopback that answers what a test wants and counts what it is asked."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import jwt

from proctor.common.v1.usage_pb2 import TokenUsage
from proctor.models.v1 import model_bridge_service_pb2 as pb
from proctor.models.v1.model_bridge_service_pb2_grpc import ModelBridgeServiceServicer
from servicekit.clock import utc_now

Answer = pb.ModelAnswer | pb.ModelFailure


def token(*, run: str = "run", lifetime_s: float = 3600, serial: int = 0) -> str:
    """A token whose end can be read; nobody here verifies it."""
    claims = {"run": run, "exp": int(utc_now().timestamp() + lifetime_s), "serial": serial}
    return jwt.encode(claims, "0" * 32, algorithm="HS256")


def echo(body: dict[str, Any]) -> Answer:
    """Answer with the prompt's last word, as a model that knows everything would."""
    words = str(body["input"]).split()
    return pb.ModelAnswer(
        response_id=f"resp_{len(words)}",
        output_text=words[-1] if words else "",
        tokens=TokenUsage(input_tokens=len(words), output_tokens=1),
        status=pb.RESPONSE_STATUS_COMPLETED,
    )


class FakeBridge(ModelBridgeServiceServicer):
    """Answers each call after `latency_s`, as long as it `may_answer` or its model `never_waits`.

    Reads no more of a stream while `window` of its calls have no answer.
    """

    def __init__(self, answer: Callable[[dict[str, Any]], Answer] = echo) -> None:
        self.answer = answer
        self.latency_s = 0.0
        self.calls: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.messages: list[pb.ModelCall] = []
        self.in_flight = 0
        self.in_flight_max = 0
        self.cancelled = 0
        self.renewals = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.never_waits: set[str] = set()
        self.window = 2048
        self.streams = 0
        self.open_streams = 0

    async def Generate(  # type: ignore[override] # the stub knows generators only
        self, request_iterator: AsyncIterator[pb.GenerateRequest], context: Any
    ) -> None:
        self.streams += 1
        self.open_streams += 1
        try:
            await self._serve(request_iterator, context)
        finally:
            self.open_streams -= 1

    async def _serve(
        self, request_iterator: AsyncIterator[pb.GenerateRequest], context: Any
    ) -> None:
        calls: dict[str, asyncio.Task[None]] = {}
        writing, window = asyncio.Lock(), asyncio.Semaphore(self.window)
        async with asyncio.TaskGroup() as tasks:
            async for request in request_iterator:
                if request.WhichOneof("action") == "cancel":
                    self.cancelled += 1
                    calls[request.request_id].cancel()
                else:
                    await window.acquire()
                    self._note(request.call)
                    task = tasks.create_task(self._call(request, context, writing))
                    task.add_done_callback(lambda _: window.release())
                    calls[request.request_id] = task

    async def RenewRunToken(
        self, request: pb.RenewRunTokenRequest, context: Any
    ) -> pb.RenewRunTokenResponse:
        self.renewals += 1
        return pb.RenewRunTokenResponse(run_token=token(serial=self.renewals))

    def repeats(self) -> int:
        """How many calls were made again."""
        return self.calls.total() - len(self.calls)

    def _note(self, call: pb.ModelCall) -> None:
        body = json.loads(call.body_json)
        self.calls[f"{body['model']}: {body.get('input', body.get('audio'))}"] += 1
        self.bodies.append(body)
        self.messages.append(call)

    async def _call(self, request: pb.GenerateRequest, context: Any, writing: asyncio.Lock) -> None:
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        response = pb.GenerateResponse(request_id=request.request_id, attempts=1)
        response.start_time.FromDatetime(utc_now())
        try:
            await asyncio.sleep(self.latency_s)
            if json.loads(request.call.body_json)["model"] not in self.never_waits:
                await self.may_answer.wait()
        finally:
            self.in_flight -= 1
        answer = self.answer(json.loads(request.call.body_json))
        response.end_time.FromDatetime(utc_now())
        if isinstance(answer, pb.ModelAnswer):
            response.answer.CopyFrom(answer)
        else:
            response.failure.CopyFrom(answer)
        async with writing:
            await context.write(response)
