import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from grader.jail.places import Places, kept_of


class Waiting:
    """Takes places, and remembers in what order they were had."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.had: list[str] = []

    async def take(self, team: str) -> None:
        await self.places.take(team)
        self.had.append(team)


@asynccontextmanager
async def waiting(places: Places, *teams: str) -> AsyncIterator[Waiting]:
    """Teams that stand in line in this order; those still there at the end give up."""
    line = Waiting(places)
    async with asyncio.TaskGroup() as tasks:
        takers = [tasks.create_task(line.take(team)) for team in teams]
        await asyncio.sleep(0)
        yield line
        for taker in takers:
            taker.cancel()


async def give_back(places: Places, team: str) -> None:
    places.give_back(team)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.mark.parametrize(("count", "kept"), [(1, 1), (2, 1), (4, 1), (8, 2), (16, 4), (17, 4)])
def test_a_quarter_is_kept_and_at_least_one(count: int, kept: int) -> None:
    assert kept_of(count) == kept


async def test_the_last_places_are_for_teams_that_have_none() -> None:
    places = Places(8, kept=2)

    async with waiting(places, *["greedy"] * 8) as line:
        assert line.had == ["greedy"] * 6
        async with asyncio.timeout(1):
            await places.take("b")
            await places.take("c")
        assert not places.admits("d")


async def test_a_team_may_have_one_of_two_at_once_and_one_of_one() -> None:
    for count in (1, 2):
        places = Places(count, kept=kept_of(count))

        async with waiting(places, "a", "a") as line:
            assert line.had == ["a"]
            await give_back(places, "a")
            assert line.had == ["a", "a"]


async def test_teams_that_wait_take_turns() -> None:
    places = Places(1, kept=1)
    await places.take("first")

    async with waiting(places, "many", "many", "many", "few", "few") as line:
        for team in ("first", "many", "few", "many", "few"):
            await give_back(places, team)

    assert line.had == ["many", "few", "many", "few", "many"]


async def test_a_team_that_has_none_comes_before_one_that_would_take_what_is_kept() -> None:
    places = Places(4, kept=1)
    for _ in range(3):
        await places.take("greedy")
    await places.take("b")

    async with waiting(places, "greedy", "c") as line:
        await give_back(places, "greedy")

        assert line.had == ["c"]


async def test_one_given_back_can_let_in_two() -> None:
    places = Places(4, kept=1)
    for team in ("greedy", "greedy", "b"):
        await places.take(team)

    async with waiting(places, "greedy", "b") as line:
        assert line.had == []
        await give_back(places, "b")

        assert line.had == ["greedy", "b"]


async def test_a_place_is_wanted_from_a_team_only_where_that_helps_somebody() -> None:
    places = Places(4, kept=1)
    for team in ("greedy", "greedy", "greedy"):
        await places.take(team)

    async with waiting(places, "greedy"):
        assert places.wanted("greedy")
        await places.take("b")
        assert not places.wanted("b")
        assert not places.wanted("greedy")
        assert places.without() == set()
        async with waiting(places, "c"):
            assert places.wanted("b")
            assert places.wanted("greedy")
            assert places.without() == {"c"}


async def test_one_that_gives_up_waiting_takes_no_place() -> None:
    places = Places(1, kept=1)
    await places.take("a")

    async with waiting(places, "b"):
        pass
    async with asyncio.TaskGroup() as tasks:
        late = tasks.create_task(places.take("c"))
        await asyncio.sleep(0)
        places.give_back("a")
        late.cancel()  # the place is its own, but it has not woken up

    assert places.admits("d")
