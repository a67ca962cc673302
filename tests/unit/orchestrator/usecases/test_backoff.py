import asyncio

import pytest

from orchestrator.usecases.backoff import Backoff, insist
from unit.orchestrator.usecases.fakes import Away, Refused


async def test_waits_grow_up_to_five_seconds_and_start_over() -> None:
    backoff, waits = Backoff(), list[float]()

    async def timed() -> float:
        began = asyncio.get_running_loop().time()
        await backoff.wait()
        return asyncio.get_running_loop().time() - began

    waits = [await timed() for _ in range(20)]
    backoff.reset()

    assert all(0.1 <= wait <= 5 for wait in waits)
    assert waits[-1] > 2
    assert await timed() <= 0.2


async def test_an_absent_part_is_asked_until_it_answers() -> None:
    answers: list[Exception | int] = [Away(), Away(), 3]

    async def ask() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await insist(ask) == 3


async def test_a_refusal_is_an_answer() -> None:
    async def ask() -> int:
        raise Refused

    with pytest.raises(Refused):
        await insist(ask)
