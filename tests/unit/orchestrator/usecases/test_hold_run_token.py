import asyncio
from datetime import timedelta

from orchestrator.usecases.hold_run_token import RunToken
from unit.orchestrator.usecases.fakes import (
    Away,
    FakeBridge,
    FakeClock,
    FakeSteps,
    Refused,
    fresh_token,
    token,
)


class Holding:
    """A run token over fakes."""

    def __init__(self, held: str) -> None:
        self.bridge, self.steps, self.clock = FakeBridge(), FakeSteps(), FakeClock()
        self.token = RunToken("run", held, bridge=self.bridge, steps=self.steps, clock=self.clock)


async def test_a_token_that_lasts_is_not_renewed() -> None:
    held = token(minutes=11)
    holding = Holding(held)

    assert await holding.token.current() == held
    assert holding.bridge.renewals == 0


async def test_a_token_about_to_end_is_renewed_once_and_kept() -> None:
    holding = Holding(token(minutes=9))

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(holding.token.current()) for _ in range(5)]

    fresh = fresh_token(1)
    assert {task.result() for task in asked} == {fresh}
    assert holding.bridge.renewals == 1
    assert holding.steps.tokens == [fresh]


async def test_a_longer_margin_renews_earlier() -> None:
    holding = Holding(token(minutes=20))

    assert await holding.token.current(margin=timedelta(minutes=30)) == fresh_token(1)


async def test_a_token_that_cannot_be_read_is_renewed() -> None:
    holding = Holding("unreadable")

    assert await holding.token.current() == fresh_token(1)


async def test_a_bridge_that_is_away_is_waited_for() -> None:
    holding = Holding(token(minutes=1))
    holding.bridge.trouble = [Away(), Away()]

    assert await holding.token.current() == fresh_token(3)


async def test_a_refused_renewal_leaves_the_old_token_and_is_not_repeated_for_each_call() -> None:
    held = token(minutes=1)
    holding = Holding(held)
    holding.bridge.trouble = [Refused(), Refused()]

    assert [await holding.token.current() for _ in range(3)] == [held] * 3
    assert holding.bridge.renewals == 1
    holding.clock.now += timedelta(minutes=2)
    await holding.token.current()
    assert holding.bridge.renewals == 2


async def test_a_renewed_token_that_cannot_be_read_is_used_for_a_while() -> None:
    holding = Holding(token(minutes=1))
    holding.bridge.fresh = lambda _: "unreadable"

    assert [await holding.token.current() for _ in range(3)] == ["unreadable"] * 3
    assert holding.bridge.renewals == 1


async def test_a_renewed_token_that_hardly_lasts_is_used_for_a_while() -> None:
    holding = Holding(token(minutes=1))
    holding.bridge.fresh = lambda serial: token(minutes=2, serial=serial)

    assert [await holding.token.current() for _ in range(3)] == [token(minutes=2, serial=1)] * 3
    assert holding.bridge.renewals == 1


async def test_a_token_that_was_refused_is_replaced_once_for_all_callers() -> None:
    held = token()
    holding = Holding(held)

    replaced = [await holding.token.replace(held) for _ in range(2)]

    assert replaced == [fresh_token(1)] * 2


async def test_a_renewed_token_is_used_even_when_it_could_not_be_kept() -> None:
    holding = Holding(token(minutes=1))
    holding.steps.away = True

    assert await holding.token.current() == fresh_token(1)
