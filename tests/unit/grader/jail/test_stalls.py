"""Clocks over a loop that stands still, which this test does to its own."""

import asyncio
import time

import pytest

from grader.jail.stalls import BEAT_S, without_stalls


def stall(seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        pass


async def test_a_clock_does_not_run_while_the_loop_stands_still() -> None:
    loop = asyncio.get_running_loop()
    loop.call_later(2 * BEAT_S, stall, 1.0)

    async with asyncio.timeout(0.8) as clock, without_stalls(clock):
        await asyncio.sleep(0.7)

    assert not clock.expired()


async def test_a_clock_runs_out_while_the_loop_goes_on() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3 * BEAT_S) as clock, without_stalls(clock):
            await asyncio.Event().wait()


async def test_a_clock_that_is_stopped_stays_so() -> None:
    asyncio.get_running_loop().call_later(2 * BEAT_S, stall, 0.3)

    async with asyncio.timeout(None) as clock, without_stalls(clock):
        await asyncio.sleep(0.4)

        assert clock.when() is None
