"""Clocks inside the process."""

import signal
import time

import pytest

from grader.inside.timelimit import TimeLimitExceeded, cpu_limit, wall_limit


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_a_block_that_computes_too_long_is_ended() -> None:
    with pytest.raises(TimeLimitExceeded), cpu_limit(0.02):
        spin(5)


def test_a_block_that_waits_too_long_is_ended() -> None:
    with pytest.raises(TimeLimitExceeded), wall_limit(0.02):
        signal.pause()


def test_waiting_does_not_count_as_computing() -> None:
    with cpu_limit(0.02):
        signal.sigtimedwait([], 0.05)


def test_a_block_that_is_fast_enough_leaves_no_clock_and_no_handler_behind() -> None:
    before = signal.getsignal(signal.SIGPROF)

    with cpu_limit(0.02):
        pass
    spin(0.05)

    assert signal.getsignal(signal.SIGPROF) is before
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_code_that_swallows_the_first_stop_gets_another() -> None:
    stops = 0

    with cpu_limit(0.02):
        while stops < 2:
            try:
                spin(5)
            except TimeLimitExceeded:
                stops += 1

    assert stops == 2


def test_an_inner_limit_ends_the_inner_block_only() -> None:
    with cpu_limit(5):
        with pytest.raises(TimeLimitExceeded), cpu_limit(0.02):
            spin(5)

        assert 0 < signal.getitimer(signal.ITIMER_PROF)[0] < 5.5


def spin_carelessly(seconds: float) -> None:
    try:
        spin(seconds)
    except Exception:  # noqa: BLE001 - what is shown not to matter
        spin(0)


def test_a_general_except_does_not_hide_the_stop() -> None:
    with pytest.raises(TimeLimitExceeded), cpu_limit(0.02):
        spin_carelessly(5)
