"""How the host talks with an execution: hand it what it asks for, until it gives its result."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from grader.domain.model_calls import (
    CallModel,
    Method,
    ModelAccess,
    ModelReply,
    ModelsLost,
    Refusal,
    checked_body,
)
from grader.domain.outcome import Cause
from grader.domain.result import InvalidResult
from grader.domain.strict_json import PARTS_MAX, STREAM_PARTS_MAX, Json, encode
from grader.jail.child import Child
from grader.jail.execution import Clock, receive
from grader.jail.slots import HeldSlot

# As many threads as a child can have: one that has more calls in flight does not wait for its
# answers.
CALLS_IN_FLIGHT_MAX = 64
# Calls that are refused (no access, no budget) cost the program nothing and us a little each.
REFUSALS_MAX = 1_000
_METHODS = {method.value: method for method in Method}


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a stream for a child: lines of JSON, how many, and whether it is the last."""

    lines: bytes
    count: int
    last: bool


NextPiece = Callable[[], Awaitable[Piece]]
Emitted = Callable[[Json], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """What one execution may ask of models, and how, for the sample with the given id."""

    access: ModelAccess
    call: CallModel
    sample_id: str


class Conversation:
    """One execution's questions and our answers, until its result.

    `held` is its CPU slot, lent to others while it waits for a model or for us. `pieces` are the
    streams it may read, by name; each of their lines adds `line_s` to its time. `emitted` takes
    what it sends before its result.
    """

    def __init__(
        self,
        child: Child,
        clock: Clock,
        held: HeldSlot,
        *,
        models: Models | None = None,
        pieces: Mapping[str, NextPiece] | None = None,
        line_s: float = 0.0,
        emitted: Emitted | None = None,
    ) -> None:
        self._child = child
        self._clock = _PausedClock(clock)
        self._held = held
        self._models = models
        self._pieces = pieces or {}
        self._line_s = line_s
        self._emitted = emitted
        self._parts_max = PARTS_MAX if emitted is None else STREAM_PARTS_MAX
        self._tasks: asyncio.TaskGroup | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._calls_made = 0
        self._refused = 0

    async def result(self) -> Json:
        """Listen until the child gives its result. Model calls still in flight then are cancelled.

        Raises:
            HungUp, Reported, FrameTooLong, NotStrictJson, InvalidResult: it gave none.
        """
        if self._models is None or not self._models.access.allowed:
            return await self._listen()
        result: Json = None
        failure: Exception | None = None
        async with asyncio.TaskGroup() as self._tasks:
            try:
                result = await self._listen()
            except Exception as error:  # noqa: BLE001 - raised again below; the group would wrap it
                failure = error
            finally:
                for call in self._calls:
                    call.cancel()
        if failure is not None:
            raise failure
        return result

    async def _listen(self) -> Json:
        while True:
            frame = await receive(self._child, parts_max=self._parts_max)
            if "result" in frame:
                return frame["result"]
            if "emit" in frame and self._emitted is not None:
                await self._pass_on(frame["emit"], self._emitted)
                await asyncio.sleep(0)  # a flood of small frames must not keep others waiting
            else:
                await self._answer(frame)

    async def _pass_on(self, value: Json, emitted: Emitted) -> None:
        self._held.lend_back()
        with self._clock.paused():
            await emitted(value)
            await self._held.take_again()

    async def _answer(self, frame: Mapping[str, Json]) -> None:
        number, method = frame.get("call"), frame.get("method")
        if not isinstance(number, int) or not isinstance(method, str):
            raise InvalidResult("a frame is neither a result nor a question")
        if method in self._pieces:
            await self._hand_out(number, self._pieces[method])
        elif method in _METHODS and self._models is not None:
            await self._call(number, _METHODS[method], frame.get("body"), self._models)
        else:
            raise InvalidResult("it asks for something that it cannot have")

    async def _hand_out(self, number: int, next_piece: NextPiece) -> None:
        self._held.lend_back()
        with self._clock.paused():
            piece = await next_piece()
            await self._held.take_again()
        self._clock.extend(piece.count * self._line_s)
        header: Json = {"reply": number, "raw": True, "last": piece.last}
        await self._child.stream.send(encode(header), piece.lines)

    async def _call(self, number: int, method: Method, body: Json, models: Models) -> None:
        if len(self._calls) >= CALLS_IN_FLIGHT_MAX:
            raise InvalidResult(f"it has more than {CALLS_IN_FLIGHT_MAX} model calls in flight")
        try:
            checked = checked_body(models.access, method, body, calls_made=self._calls_made)
        except Refusal as refusal:
            self._refused += 1
            if self._refused > REFUSALS_MAX:
                raise InvalidResult("it goes on calling models that it may not call") from None
            await self._reply(number, ModelReply(error=refusal.error))
            return
        self._calls_made += 1
        assert self._tasks is not None  # noqa: S101 - checked_body lets nothing through without access
        task = self._tasks.create_task(self._ask(number, method, checked, models))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _ask(
        self, number: int, method: Method, body: Mapping[str, Json], models: Models
    ) -> None:
        self._held.lend_back()
        try:
            reply = await models.call(method, body, models.sample_id)
        except ModelsLost:
            self._child.stop(Cause.LOST)
            return
        with self._clock.paused():
            await self._held.take_again()
        await self._reply(number, reply)

    async def _reply(self, number: int, reply: ModelReply) -> None:
        if reply.error:
            await self._child.stream.send(encode({"reply": number, "error": dict(reply.error)}))
        else:
            await self._child.stream.send(encode({"reply": number, "raw": True}), reply.body)


class _PausedClock:
    """The clock of an execution, stopped while time passes that is not the program's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pauses = 0
        self._left_s = 0.0
        self._loop = asyncio.get_running_loop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._pauses += 1
        if self._pauses == 1:
            self._left_s = (self._clock.when() or 0.0) - self._loop.time()
            self._clock.reschedule(None)
        try:
            yield
        finally:
            self._pauses -= 1
            if self._pauses == 0 and not self._clock.expired():
                self._clock.reschedule(self._loop.time() + self._left_s)

    def extend(self, seconds: float) -> None:
        when = self._clock.when()
        if seconds and when is not None:
            self._clock.reschedule(when + seconds)
