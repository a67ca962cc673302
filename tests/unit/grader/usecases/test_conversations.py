"""The host's half of a conversation, with a child that is this test."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import pytest

from grader.domain.model_calls import Method, ModelAccess, ModelReply, ModelsLost
from grader.domain.outcome import Cause
from grader.domain.result import InvalidResult
from grader.domain.strict_json import Json
from grader.jail.child import Child
from grader.jail.execution import HungUp, Reported
from grader.jail.frames import LENGTH
from grader.jail.slots import CpuSlots, HeldSlot
from grader.usecases.conversations import (
    CALLS_IN_FLIGHT_MAX,
    REFUSALS_MAX,
    Conversation,
    Models,
    Piece,
)

ACCESS = ModelAccess(allowed=True, judge_model="judge", embedding_model=None, calls_max=1_000)
CALL: dict[str, Json] = {"method": "responses_create", "body": {"input": "x"}}


@dataclass
class FakeModels:
    """Answers when `released`, and remembers who was cancelled."""

    released: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0
    cancelled: int = 0
    lost: bool = False

    async def call(self, method: Method, body: Mapping[str, Json], sample_id: str) -> ModelReply:
        self.calls += 1
        self.asked.set()
        if self.lost:
            raise ModelsLost("away")
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return ModelReply(body=b'{"answer":1}')


class Talk:
    """A conversation and the child's end of it."""

    def __init__(self, held: HeldSlot) -> None:
        self.held = held
        self.child = Child(1, frame_bytes_max=10_000)
        stream, *pipes = self.child.inside
        self.inside = socket.socket(fileno=os.dup(stream))
        self.child.close_inside()
        assert pipes

    def say(self, *frames: Json) -> None:
        for frame in frames:
            payload = json.dumps(frame).encode()
            self.inside.sendall(LENGTH.pack(len(payload)) + payload)

    async def hear(self) -> bytes:
        (length,) = LENGTH.unpack(await asyncio.to_thread(self._take, LENGTH.size))
        return await asyncio.to_thread(self._take, length)

    def _take(self, count: int) -> bytes:
        return self.inside.recv(count, socket.MSG_WAITALL)

    async def result(self, limit_s: float = 5.0, **options: object) -> Json:
        async with asyncio.timeout(limit_s) as clock:
            return await Conversation(self.child, clock, self.held, **options).result()  # type: ignore[arg-type] # options by name

    def close(self) -> None:
        self.inside.close()
        self.child.close()


@pytest.fixture
def slots() -> CpuSlots:
    return CpuSlots(1)


@pytest.fixture
async def talk(slots: CpuSlots) -> AsyncIterator[Talk]:
    async with slots.hold() as held:
        talk = Talk(held)
        yield talk
        talk.close()


def models(fake: FakeModels, access: ModelAccess = ACCESS) -> Models:
    return Models(access=access, call=fake.call, sample_id="s")


async def test_the_first_result_ends_the_conversation(talk: Talk) -> None:
    talk.say({"result": 1}, {"result": 2})

    assert await talk.result() == 1


async def test_a_child_that_hangs_up_gave_no_result(talk: Talk) -> None:
    talk.inside.close()

    with pytest.raises(HungUp):
        await talk.result()


async def test_a_child_may_report_its_own_failure(talk: Talk) -> None:
    talk.say({"error": {"code": "grader_oom", "message": "m"}})

    with pytest.raises(Reported) as reported:
        await talk.result()

    assert reported.value.failure.code == "grader_oom"


async def test_what_a_child_sends_before_its_result_is_taken_in_order(talk: Talk) -> None:
    taken: list[Json] = []

    async def take(value: Json) -> None:
        taken.append(value)

    talk.say({"emit": [1]}, {"emit": [2]}, {"result": None})
    await talk.result(emitted=take)

    assert taken == [[1], [2]]


@pytest.mark.parametrize(
    "frame",
    [
        {"hello": 1},
        {"emit": [1]},
        {"call": "1", "method": "rows"},
        {"call": 1, "method": 7},
        {"call": 1, "method": "rows"},
        {"call": 1, "method": "responses_create", "body": {}},
        [],
    ],
)
async def test_a_frame_that_has_no_place_here_is_refused(talk: Talk, frame: Json) -> None:
    talk.say(frame)

    with pytest.raises(InvalidResult):
        await talk.result()


async def test_rows_are_handed_out_as_they_are_asked_for(talk: Talk, slots: CpuSlots) -> None:
    pieces = [Piece(b'{"a":1}\n{"a":2}', 2, last=False), Piece(b"", 0, last=True)]

    async def next_piece() -> Piece:
        async with asyncio.timeout(1), slots.hold():  # while the child waits, others compute
            return pieces.pop(0)

    talk.say({"call": 1, "method": "rows"}, {"call": 2, "method": "rows"}, {"result": None})
    await talk.result(pieces={"rows": next_piece})

    heard = [await talk.hear() for _ in range(4)]
    assert json.loads(heard[0]) == {"reply": 1, "raw": True, "last": False}
    assert heard[1] == b'{"a":1}\n{"a":2}'
    assert json.loads(heard[2])["last"] is True
    assert heard[3] == b""


async def test_time_that_we_take_is_not_the_childs(talk: Talk) -> None:
    async def next_piece() -> Piece:
        await asyncio.to_thread(talk.inside.fileno)
        await asyncio.sleep(0.3)
        return Piece(b"", 0, last=True)

    talk.say({"call": 1, "method": "rows"}, {"result": 1})

    assert await talk.result(0.2, pieces={"rows": next_piece}) == 1


async def test_each_row_adds_to_the_childs_time(talk: Talk) -> None:
    async def next_piece() -> Piece:
        return Piece(b"", 100, last=True)

    talk.say({"call": 1, "method": "rows"})
    async with asyncio.TaskGroup() as tasks:
        result = tasks.create_task(talk.result(0.1, pieces={"rows": next_piece}, line_s=1.0))
        await asyncio.sleep(0.3)
        talk.say({"result": 1})

    assert result.result() == 1


async def test_a_model_answers_while_others_compute(talk: Talk, slots: CpuSlots) -> None:
    fake = FakeModels()
    talk.say({"call": 1, **CALL})
    async with asyncio.TaskGroup() as tasks:
        result = tasks.create_task(talk.result(models=models(fake)))
        await fake.asked.wait()
        async with asyncio.timeout(1), slots.hold():
            fake.released.set()
        heard = [await talk.hear(), await talk.hear()]
        talk.say({"result": 1})

    assert json.loads(heard[0]) == {"reply": 1, "raw": True}
    assert heard[1] == b'{"answer":1}'
    assert result.result() == 1


async def test_calls_in_flight_end_with_the_execution(talk: Talk) -> None:
    fake = FakeModels()
    talk.say({"call": 1, **CALL})
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(talk.result(models=models(fake)))
        await fake.asked.wait()
        talk.say({"result": 1})

    assert fake.cancelled == 1


async def test_a_lost_way_to_models_is_our_failure(talk: Talk) -> None:
    talk.say({"call": 1, **CALL})

    with pytest.raises(HungUp):
        await talk.result(models=models(FakeModels(lost=True)))

    assert talk.child.cause is Cause.LOST


async def test_a_child_that_never_reads_its_answers_has_few_calls_in_flight(talk: Talk) -> None:
    fake = FakeModels()
    talk.say(*({"call": number, **CALL} for number in range(CALLS_IN_FLIGHT_MAX + 1)))

    with pytest.raises(InvalidResult, match="in flight"):
        await talk.result(models=models(fake))

    assert fake.calls <= CALLS_IN_FLIGHT_MAX


async def test_a_call_that_may_not_be_made_is_answered_with_the_exception(talk: Talk) -> None:
    fake = FakeModels()
    access = ModelAccess(allowed=False, judge_model="j", embedding_model=None, calls_max=9)
    talk.say({"call": 5, **CALL}, {"result": 1})

    await talk.result(models=models(fake, access))

    answer = json.loads(await talk.hear())
    assert answer["reply"] == 5
    assert answer["error"]["type"] == "PermissionError"
    assert fake.calls == 0


async def test_a_child_that_goes_on_asking_for_what_it_may_not_have_is_ended(talk: Talk) -> None:
    access = ModelAccess(allowed=False, judge_model="j", embedding_model=None, calls_max=9)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(_ask_for_ever, talk))
        with pytest.raises(InvalidResult, match="goes on"):
            await talk.result(models=models(FakeModels(), access))
        talk.child.stream.interrupt()


def _ask_for_ever(talk: Talk) -> None:
    payload = json.dumps({"call": 1, **CALL}).encode()
    for _ in range(REFUSALS_MAX + 1):
        talk.inside.sendall(LENGTH.pack(len(payload)) + payload)
        talk.inside.recv(65_536)
