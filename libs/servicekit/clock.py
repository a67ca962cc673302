"""The time, as a port, so that rules about time can be tested by turning the clock."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def utc_now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def utc_now(self) -> datetime:
        """The current time, aware, in UTC."""
        return utc_now()


def utc_now() -> datetime:
    """The machine's time, aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place the ban points to
