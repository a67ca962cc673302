"""A clock that stands until it is turned."""

from datetime import UTC, datetime, timedelta


class StillClock:
    def __init__(self) -> None:
        self._now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def utc_now(self) -> datetime:
        return self._now

    def turn(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
