"""The clock of these tests is turned: time passes when nobody has anything else to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from servicekit.turns import PATIENCE_S, Turns

DAY_S = 86_400.0


class Work:
    """Who works now, in what order they began, and when."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.working: list[str] = []
        self.began: list[tuple[str, float]] = []
        self.most = 0

    async def work(self, owner: str, seconds: float = 0.0) -> None:
        async with self.turns.place(owner):
            self.working.append(owner)
            self.began.append((owner, asyncio.get_running_loop().time()))
            self.most = max(self.most, len(self.working))
            await asyncio.sleep(seconds)
            self.working.remove(owner)

    @asynccontextmanager
    async def sleepers(self, owner: str, count: int) -> AsyncIterator[None]:
        """Work that ends with the block and not before."""
        async with asyncio.TaskGroup() as tasks:
            sleeping = [tasks.create_task(self.work(owner, DAY_S)) for _ in range(count)]
            await asyncio.sleep(0)
            yield
            for task in sleeping:
                task.cancel()


@pytest.fixture
def work() -> Work:
    return Work(Turns(2))


async def test_no_more_work_at_once_than_there_are_places(work: Work) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(work.work("a", 60.0))

    assert work.most == 2


async def test_owners_who_wait_take_turns() -> None:
    work = Work(Turns(1))

    async with asyncio.TaskGroup() as tasks:
        for owner in ("first", "many", "many", "many", "few", "many", "few"):
            tasks.create_task(work.work(owner))

    order = [owner for owner, _ in work.began]
    assert order == ["first", "many", "few", "many", "few", "many", "many"]


async def test_an_owner_without_a_place_waits_no_longer_than_patience_lasts(work: Work) -> None:
    async with work.sleepers("sleepy", 5), asyncio.TaskGroup() as tasks:
        for owner in ("awake", "other"):
            tasks.create_task(work.work(owner, 5.0))

    assert [one for one in work.began if one[0] != "sleepy"] == [
        ("awake", PATIENCE_S),
        ("other", PATIENCE_S),
    ]


async def test_beyond_the_count_there_is_one_place_an_owner(work: Work) -> None:
    async with work.sleepers("sleepy", 5), asyncio.TaskGroup() as tasks:
        for owner in ("awake", "other") * 3:
            tasks.create_task(work.work(owner, 5.0))

    assert work.most == 4


async def test_a_place_beyond_the_count_serves_all_work_of_its_owner_one_by_one(work: Work) -> None:
    async with work.sleepers("sleepy", 2), asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(work.work("awake", 0.5))

    assert [at for owner, at in work.began if owner == "awake"] == [
        PATIENCE_S,
        PATIENCE_S + 0.5,
        PATIENCE_S + 1.0,
    ]


async def test_places_beyond_the_count_are_given_back_first(work: Work) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(work.work("a", 10.0))
        tasks.create_task(work.work("a", 100.0))
        await asyncio.sleep(0)
        tasks.create_task(work.work("b", 50.0))  # begins at 1, beyond the count
        tasks.create_task(work.work("a", 1.0))  # cannot begin at 10: two still work

    assert work.began[-2:] == [("b", PATIENCE_S), ("a", PATIENCE_S + 50.0)]
    assert work.most == 3


async def test_where_more_than_the_count_can_never_be_owners_only_take_turns() -> None:
    work = Work(Turns(1, patience_s=None))

    async with asyncio.TaskGroup() as tasks:
        for owner in ("many", "many", "few", "many"):
            tasks.create_task(work.work(owner, 60.0))

    assert [owner for owner, _ in work.began] == ["many", "many", "few", "many"]
    assert work.most == 1


async def test_an_owner_that_loses_its_last_place_is_patient_anew() -> None:
    work = Work(Turns(1))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(work.work("a", 0.5))
        tasks.create_task(work.work("b", 100.0))
        tasks.create_task(work.work("a", 0.0))

    assert work.began == [("a", 0.0), ("b", 0.5), ("a", 0.5 + PATIENCE_S)]


async def test_one_that_gives_up_waiting_takes_no_place() -> None:
    turns = Turns(1)
    await turns.acquire("a")
    async with asyncio.TaskGroup() as tasks:
        early, late = (tasks.create_task(turns.acquire(owner)) for owner in ("b", "c"))
        await asyncio.sleep(0)
        early.cancel()
        await asyncio.sleep(0)
        turns.release("a")
        late.cancel()  # the place is its own, but it has not woken up

    async with asyncio.timeout(PATIENCE_S / 2), turns.place("d"):
        pass


async def test_one_that_gives_up_leaves_its_turn_to_the_next_of_its_owner() -> None:
    turns = Turns(1)
    await turns.acquire("a")
    async with asyncio.TaskGroup() as tasks:
        early, late = (tasks.create_task(turns.acquire("b")) for _ in range(2))
        await asyncio.sleep(0)
        early.cancel()
        turns.release("a")  # before the first has woken up to its end

    assert early.cancelled()
    assert late.done()
    turns.release("b")


async def test_patience_that_was_not_needed_gives_no_second_place(work: Work) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(work.work("a", 0.5))
        await asyncio.sleep(0)
        gave_up = tasks.create_task(work.work("b"))
        await asyncio.sleep(0.25)
        gave_up.cancel()
        await asyncio.sleep(0.5)
        for _ in range(3):
            tasks.create_task(work.work("b", 5.0))

    assert work.most == 2
