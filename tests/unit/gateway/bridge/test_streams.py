import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway.bridge.call import Answer, AnswerStatus, CallFailed, ModelCall, Progress
from gateway.bridge.streams import CallStream
from proctor.models.v1 import model_bridge_service_pb2 as pb


class Model:
    """Answers a call when it is let, with the call's own body."""

    def __init__(self) -> None:
        self.started: asyncio.Queue[str] = asyncio.Queue()
        self.in_flight: set[str] = set()
        self.gates: dict[str, asyncio.Event] = {}

    def let(self, name: str) -> None:
        self.gates.setdefault(name, asyncio.Event()).set()

    async def answer(self, call: ModelCall, progress: Progress) -> Answer:
        name = call.body_json.decode()
        progress.attempts = 1
        self.in_flight.add(name)
        self.started.put_nowait(name)
        try:
            await self.gates.setdefault(name, asyncio.Event()).wait()
        finally:
            self.in_flight.discard(name)
        if name.startswith("bad"):
            raise CallFailed("model_error", "no")
        return Answer(status=AnswerStatus.COMPLETED, output_text=name)


class Caller:
    """The other end of a stream, without gRPC."""

    def __init__(self, model: Model, *, max_in_flight: int = 8) -> None:
        self.stream = CallStream(model.answer, max_in_flight=max_in_flight)
        self.requests: asyncio.Queue[pb.GenerateRequest | None] = asyncio.Queue()
        self.answers: asyncio.Queue[pb.GenerateResponse] = asyncio.Queue()
        self.may_write = asyncio.Event()
        self.may_write.set()

    async def serve(self) -> None:
        await self.stream.serve(self._read(), self._written)

    def call(self, request_id: str, name: str = "") -> None:
        call = pb.ModelCall(
            purpose=pb.PURPOSE_GRADER,
            endpoint=pb.ENDPOINT_RESPONSES,
            body_json=(name or request_id).encode(),
        )
        self.requests.put_nowait(pb.GenerateRequest(request_id=request_id, call=call))

    def cancel(self, request_id: str) -> None:
        self.requests.put_nowait(pb.GenerateRequest(request_id=request_id, cancel=True))

    def end(self) -> None:
        self.requests.put_nowait(None)

    async def _read(self) -> AsyncIterator[pb.GenerateRequest]:
        while (request := await self.requests.get()) is not None:
            yield request

    async def _written(self, response: pb.GenerateResponse) -> None:
        await self.may_write.wait()
        self.answers.put_nowait(response)


@pytest.fixture
def model() -> Model:
    return Model()


Script = Callable[[Caller], Awaitable[None]]


async def serving(caller: Caller, script: Script) -> None:
    """Serve the stream until the script and every call have ended."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(caller.serve())
        await script(caller)
        caller.end()


async def test_answers_come_as_they_end(model: Model) -> None:
    async def script(caller: Caller) -> None:
        caller.call("slow")
        caller.call("fast")
        model.let("fast")
        assert (await caller.answers.get()).answer.output_text == "fast"
        model.let("slow")
        assert (await caller.answers.get()).answer.output_text == "slow"

    await serving(Caller(model), script)


async def test_calls_in_flight_are_still_answered_after_the_last_request(model: Model) -> None:
    caller = Caller(model)

    async def script(caller: Caller) -> None:
        caller.call("a")
        await model.started.get()
        caller.end()
        model.let("a")

    await serving(caller, script)

    assert caller.answers.get_nowait().request_id == "a"


async def test_a_failed_call_is_an_answer_and_the_stream_goes_on(model: Model) -> None:
    async def script(caller: Caller) -> None:
        model.let("bad")
        model.let("good")
        caller.call("1", "bad")
        assert (await caller.answers.get()).failure.code == "model_error"
        caller.call("2", "good")
        assert (await caller.answers.get()).answer.output_text == "good"

    await serving(Caller(model), script)


async def test_a_cancelled_call_is_answered_as_cancelled(model: Model) -> None:
    async def script(caller: Caller) -> None:
        caller.call("a")
        await model.started.get()
        caller.cancel("a")
        answer = await caller.answers.get()
        assert (answer.request_id, answer.failure.code) == ("a", "cancelled")
        assert answer.attempts == 1

    await serving(Caller(model), script)
    assert not model.in_flight


async def test_a_call_that_is_cancelled_before_it_began_is_answered_too(model: Model) -> None:
    async def script(caller: Caller) -> None:
        caller.call("a")
        caller.cancel("a")
        assert (await caller.answers.get()).failure.code == "cancelled"

    await serving(Caller(model), script)


async def test_cancelling_what_is_not_there_changes_nothing(model: Model) -> None:
    async def script(caller: Caller) -> None:
        caller.cancel("ghost")
        model.let("a")
        caller.call("a")
        assert (await caller.answers.get()).request_id == "a"

    await serving(Caller(model), script)


async def test_a_request_id_in_flight_is_refused_and_its_first_call_goes_on(model: Model) -> None:
    async def script(caller: Caller) -> None:
        caller.call("a", "first")
        caller.call("a", "second")
        assert (await caller.answers.get()).failure.code == "invalid_request"
        model.let("first")
        assert (await caller.answers.get()).answer.output_text == "first"

    await serving(Caller(model), script)


async def test_a_request_id_is_free_again_after_its_answer(model: Model) -> None:
    async def script(caller: Caller) -> None:
        model.let("a")
        for _ in range(2):
            caller.call("a")
            assert (await caller.answers.get()).answer.output_text == "a"

    await serving(Caller(model), script)


@pytest.mark.parametrize(
    "request_",
    [pb.GenerateRequest(), pb.GenerateRequest(request_id="x" * 129, call=pb.ModelCall())],
)
async def test_a_request_without_a_usable_id_is_refused(
    model: Model, request_: pb.GenerateRequest
) -> None:
    async def script(caller: Caller) -> None:
        caller.requests.put_nowait(request_)
        assert (await caller.answers.get()).failure.code == "invalid_request"

    await serving(Caller(model), script)


async def test_a_request_without_an_action_is_refused(model: Model) -> None:
    async def script(caller: Caller) -> None:
        caller.requests.put_nowait(pb.GenerateRequest(request_id="a"))
        assert (await caller.answers.get()).failure.code == "invalid_request"

    await serving(Caller(model), script)


async def test_no_more_than_the_slots_are_in_flight(model: Model) -> None:
    async def script(caller: Caller) -> None:
        for name in "abcde":
            caller.call(name)
        assert {await model.started.get(), await model.started.get()} == {"a", "b"}
        assert model.started.empty()
        assert caller.requests.qsize() == 2  # c is read and waits for a slot
        for name in "abcde":
            model.let(name)
        assert {(await caller.answers.get()).request_id for _ in range(5)} == set("abcde")

    await serving(Caller(model, max_in_flight=2), script)


async def test_a_caller_that_takes_no_answers_is_read_no_further(model: Model) -> None:
    async def script(caller: Caller) -> None:
        caller.may_write.clear()
        for name in "abcd":
            model.let(name)
            caller.call(name)
        await model.started.get()
        await model.started.get()
        for _ in range(20):
            await asyncio.sleep(0)
        assert model.started.empty()
        caller.may_write.set()
        assert {(await caller.answers.get()).request_id for _ in range(4)} == set("abcd")

    await serving(Caller(model, max_in_flight=2), script)


async def test_cancelling_the_stream_cancels_its_calls(model: Model) -> None:
    caller = Caller(model)

    async with asyncio.TaskGroup() as tasks:
        serving_ = tasks.create_task(caller.serve())
        caller.call("a")
        caller.call("b")
        await model.started.get()
        await model.started.get()
        serving_.cancel()

    assert not model.in_flight


async def test_a_broken_write_ends_the_stream_and_its_calls(model: Model) -> None:
    caller = Caller(model)

    async def broken(_response: pb.GenerateResponse) -> None:
        raise ConnectionError

    model.let("a")
    caller.call("b")
    caller.call("a")

    with pytest.raises(ExceptionGroup):
        await caller.stream.serve(caller._read(), broken)
    assert model.started.qsize() == 2
    assert not model.in_flight
