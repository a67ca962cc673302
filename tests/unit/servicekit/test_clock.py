from datetime import UTC

from servicekit.clock import Clock, SystemClock, utc_now


def test_times_are_aware_and_in_utc() -> None:
    clock: Clock = SystemClock()

    assert utc_now().tzinfo == clock.utc_now().tzinfo == UTC
