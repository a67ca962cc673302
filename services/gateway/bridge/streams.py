"""Many calls over one stream: started as they are read, answered as they end."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from functools import partial

from gateway.bridge import wire
from gateway.bridge.call import Answer, CallFailed, ModelCall, Progress, invalid_request
from proctor.models.v1 import model_bridge_service_pb2 as pb

REQUEST_ID_CHARS_MAX = 128


class CallStream:
    """The calls of one open stream.

    A call takes a slot when it is read and gives it back when its answer is written; without a free
    slot nothing is read, a cancel neither. So a caller that does not take its answers cannot fill
    the bridge's memory.

    Args:
        answer: Makes a call; raises CallFailed and nothing else.
        max_in_flight: Slots.
    """

    def __init__(
        self, answer: Callable[[ModelCall, Progress], Awaitable[Answer]], *, max_in_flight: int
    ) -> None:
        self._answer = answer
        self._slots = asyncio.Semaphore(max_in_flight)
        self._in_flight: dict[str, asyncio.Task[Answer | CallFailed]] = {}
        self._ended: asyncio.Queue[pb.GenerateResponse | None] = asyncio.Queue()

    async def serve(
        self,
        requests: AsyncIterable[pb.GenerateRequest],
        write: Callable[[pb.GenerateResponse], Awaitable[None]],
    ) -> None:
        """Answer every call in `requests` until they end and all are answered.

        Cancelling this cancels the calls in flight.
        """
        async with asyncio.TaskGroup() as stream:
            stream.create_task(self._write_answers(write))
            async with asyncio.TaskGroup() as calls:
                async for request in requests:
                    await self._take(request, calls)
            self._ended.put_nowait(None)

    async def _take(self, request: pb.GenerateRequest, calls: asyncio.TaskGroup) -> None:
        if request.WhichOneof("action") == "cancel":
            task = self._in_flight.get(request.request_id)
            if task is not None and request.cancel:
                task.cancel()
            return
        await self._slots.acquire()
        problem = self._problem(request)
        if problem:
            refused = wire.response(request.request_id, invalid_request(problem), Progress())
            self._ended.put_nowait(refused)
            return
        progress = Progress()
        task = calls.create_task(self._call(request.call, progress))
        self._in_flight[request.request_id] = task
        task.add_done_callback(partial(self._end, request.request_id, progress))

    def _problem(self, request: pb.GenerateRequest) -> str:
        if not 0 < len(request.request_id) <= REQUEST_ID_CHARS_MAX:
            return f"request_id must have 1 to {REQUEST_ID_CHARS_MAX} characters"
        if request.WhichOneof("action") is None:
            return "the request has no action"
        if request.request_id in self._in_flight:
            return "a call with this request_id is in flight on this stream"
        return ""

    async def _call(self, message: pb.ModelCall, progress: Progress) -> Answer | CallFailed:
        try:
            return await self._answer(wire.model_call(message), progress)
        except CallFailed as failure:
            return failure

    def _end(
        self, request_id: str, progress: Progress, task: asyncio.Task[Answer | CallFailed]
    ) -> None:
        del self._in_flight[request_id]
        result = (
            CallFailed("cancelled", "the call was cancelled") if task.cancelled() else task.result()
        )
        self._ended.put_nowait(wire.response(request_id, result, progress))

    async def _write_answers(self, write: Callable[[pb.GenerateResponse], Awaitable[None]]) -> None:
        while (answer := await self._ended.get()) is not None:
            await write(answer)
            self._slots.release()
