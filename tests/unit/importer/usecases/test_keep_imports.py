"""Imports under way and just finished."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from importer.domain.file import Owner
from importer.domain.history import ImportOrder, ImportTimedOut, NoSuiteToReuse, TooManyImports
from importer.usecases import keep_imports
from importer.usecases.keep_imports import ImportKeeper
from servicekit.turns import Turns

TOKEN = SecretStr("hf_ours")
OWNER = Owner(org_id="org", team_id="team")
ORDER = ImportOrder(repo="a/b", revision="main", suite_name="s")


class Finished:
    """Answers in memory, and one lock a key."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[bytes, datetime]] = {}
        self.locks: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        async with self.locks.setdefault(key, asyncio.Lock()):
            yield

    async def find(self, key: str, *, since: datetime) -> bytes | None:
        answer, at = self.answers.get(key, (b"", since - timedelta(seconds=1)))
        return answer if at >= since else None

    async def keep(self, key: str, owner: Owner, answer: bytes, *, now: datetime) -> None:
        self.answers[key] = (answer, now)

    async def forget(self, *, before: datetime) -> None:
        self.answers = {key: kept for key, kept in self.answers.items() if kept[1] >= before}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def utc_now(self) -> datetime:
        return self.now


class Work:
    """An import that takes until it is let go."""

    def __init__(self) -> None:
        self.times = 0
        self.go = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self) -> bytes:
        self.times += 1
        await self.go.wait()
        if self.failure:
            raise self.failure
        return f"answer {self.times}".encode()


@pytest.fixture
def finished() -> Finished:
    return Finished()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def keeping(
    finished: Finished, clock: Clock, **options: float
) -> AsyncIterator[ImportKeeper]:
    keeper = ImportKeeper(finished, clock, at_once=Turns(2), **options)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(keeper.run())
        try:
            yield keeper
        finally:
            running.cancel()


async def test_equal_calls_under_way_are_one_import(finished: Finished, clock: Clock) -> None:
    work = Work()
    async with keeping(finished, clock) as keeper, asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(keeper.answer(OWNER, ORDER, work, token=TOKEN)) for _ in range(3)
        ]
        await asyncio.sleep(0)
        work.go.set()

    assert [task.result() for task in asked] == [b"answer 1"] * 3
    assert work.times == 1


async def test_who_stops_waiting_stops_nothing(finished: Finished, clock: Clock) -> None:
    work = Work()
    async with keeping(finished, clock) as keeper:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(keeper.answer(OWNER, ORDER, work, token=TOKEN))
            while not work.times:
                await asyncio.sleep(0)
            first.cancel()
        work.go.set()
        answer = await keeper.answer(OWNER, ORDER, work, token=TOKEN)

    assert (answer, work.times) == (b"answer 1", 1)


async def test_an_answer_is_given_again_for_ten_minutes_by_every_process(
    finished: Finished, clock: Clock
) -> None:
    work = Work()
    work.go.set()
    async with keeping(finished, clock) as keeper:
        first = await keeper.answer(OWNER, ORDER, work, token=TOKEN)
    async with keeping(finished, clock) as another:
        clock.now += timedelta(minutes=9)
        again = await another.answer(OWNER, ORDER, work, token=TOKEN)
        clock.now += timedelta(minutes=2)
        later = await another.answer(OWNER, ORDER, work, token=TOKEN)

    assert (first, again, later) == (b"answer 1", b"answer 1", b"answer 2")


async def test_other_teams_bodies_and_tokens_have_imports_of_their_own(
    finished: Finished, clock: Clock
) -> None:
    work = Work()
    work.go.set()
    other_team = Owner(org_id="org", team_id="other")
    other_body = ImportOrder(repo="a/b", revision="main", suite_name="s", dry_run=True)
    async with keeping(finished, clock) as keeper:
        answers = {
            await keeper.answer(OWNER, ORDER, work, token=TOKEN),
            await keeper.answer(other_team, ORDER, work, token=TOKEN),
            await keeper.answer(OWNER, other_body, work, token=TOKEN),
            await keeper.answer(OWNER, ORDER, work, token=SecretStr("hf_theirs")),
        }

    assert len(answers) == 4


async def test_a_failure_is_told_and_tried_again(finished: Finished, clock: Clock) -> None:
    work = Work()
    work.go.set()
    work.failure = NoSuiteToReuse()
    async with keeping(finished, clock) as keeper:
        with pytest.raises(NoSuiteToReuse):
            await keeper.answer(OWNER, ORDER, work, token=TOKEN)
        work.failure = None
        answer = await keeper.answer(OWNER, ORDER, work, token=TOKEN)

    assert (answer, work.times) == (b"answer 2", 2)


async def test_a_team_has_a_few_imports_under_way(
    finished: Finished, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep_imports, "TEAM_UNDER_WAY_MAX", 3)
    work, others = Work(), Owner(org_id="org", team_id="others")
    orders = [replace(ORDER, path_prefix=str(number)) for number in range(4)]
    async with keeping(finished, clock) as keeper:
        async with asyncio.TaskGroup() as tasks:
            for order in [*orders[:3], orders[0]]:
                tasks.create_task(keeper.answer(OWNER, order, work, token=TOKEN))
            while work.times < 2:  # the third waits for a turn
                await asyncio.sleep(0)
            with pytest.raises(TooManyImports) as refused:
                await keeper.answer(OWNER, orders[3], work, token=TOKEN)
            tasks.create_task(keeper.answer(others, orders[3], work, token=TOKEN))
            work.go.set()
        await keeper.answer(OWNER, orders[3], work, token=TOKEN)

    assert refused.value.reason == "TOO_MANY_IMPORTS"


async def test_an_import_that_takes_too_long_is_ended_and_may_be_tried_again(
    finished: Finished, clock: Clock
) -> None:
    work = Work()
    async with keeping(finished, clock, import_s_max=0.05) as keeper:
        with pytest.raises(ImportTimedOut) as refused:
            await keeper.answer(OWNER, ORDER, work, token=TOKEN)
        work.go.set()
        answer = await keeper.answer(OWNER, ORDER, work, token=TOKEN)

    assert refused.value.reason == "IMPORT_TIMED_OUT"
    assert (answer, work.times) == (b"answer 2", 2)
