"""When a schedule is due: cron expressions in a time zone, and plain intervals."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from servicekit.errors import Violation

CRON_CHARS_MAX = 255
CRON_FIELDS = 5
INTERVAL_S_MIN = 60  # what cron can do at most, too
INTERVAL_S_MAX = 366 * 24 * 3600
# cronsim gives up after 50 years; from here on every date that can come has come twice.
_PROBED_FROM = datetime(2024, 1, 1, tzinfo=UTC)
# In zoneinfo's list on some machines, but the name of no zone.
_NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """A cron expression or an interval, exactly one of them; checked.

    Attributes:
        timezone: IANA name; says what the cron expression means and nothing about an interval.
    """

    cron: str | None
    interval_seconds: int | None
    timezone: str

    def __post_init__(self) -> None:
        """Refuse both and neither."""
        assert (self.cron is None) != (self.interval_seconds is None)

    def after(self, moment: datetime, *, counted_from: datetime) -> datetime:
        """Return the first time after `moment`, in UTC.

        Cron means local time as Debian's cron does: a time that a clock change leaves out comes
        right after the change, one that comes twice counts once; with `*` in the minute or the hour
        it is real time, so each hour counts. Intervals are real time, counted from `counted_from`.
        """
        if self.interval_seconds is not None:
            return _on_the_grid(self.interval_seconds, moment, counted_from)
        assert self.cron is not None
        following = _next(self.cron, self.timezone, moment)
        assert following is not None
        return following


def cadence_problems(
    *, cron: str | None, interval_seconds: int | None, timezone: str
) -> Iterator[Violation]:
    """Find what is wrong with when a schedule is to be due."""
    if (cron is None) == (interval_seconds is None):
        message = "exactly one of cron and interval_seconds must be given"
        yield Violation("cron", "ONE_CADENCE", message)
    if interval_seconds is not None and not INTERVAL_S_MIN <= interval_seconds <= INTERVAL_S_MAX:
        message = f"interval_seconds must be from {INTERVAL_S_MIN} to {INTERVAL_S_MAX}"
        yield Violation("interval_seconds", "INVALID_INTERVAL", message)
    if timezone not in _timezones():
        message = "timezone must be a name of the IANA time zone database, such as Europe/Berlin"
        yield Violation("timezone", "UNKNOWN_TIMEZONE", message)
    if cron is not None:
        yield from _cron_problems(cron)


def _cron_problems(cron: str) -> Iterator[Violation]:
    if len(cron) > CRON_CHARS_MAX or len(cron.split()) != CRON_FIELDS:
        message = (
            "cron must have five fields (minute, hour, day of month, month, day of week) in at "
            f"most {CRON_CHARS_MAX} characters"
        )
        yield Violation("cron", "INVALID_CRON", message)
        return
    try:
        never = next(CronSim(cron, _PROBED_FROM), None) is None
    except (CronSimError, ArithmeticError, AssertionError, LookupError, TypeError, ValueError):
        never = _is_only_too_late(cron)
        if not never:
            yield Violation("cron", "INVALID_CRON", "cron is not an expression that cron reads")
            return
    if never:
        yield Violation("cron", "CRON_NEVER_FIRES", "cron names a date that never comes")


def _is_only_too_late(cron: str) -> bool:
    """Tell whether an expression that was refused is sound but for a day no month of it has."""
    minute, hour, day, _month, weekday = cron.split()
    try:
        CronSim(f"{minute} {hour} {day} * {weekday}", _PROBED_FROM)
        CronSim(f"{minute} {hour} * {_month} {weekday}", _PROBED_FROM)
    except (CronSimError, ArithmeticError, AssertionError, LookupError, TypeError, ValueError):
        return False
    return True


def _next(cron: str, timezone: str, moment: datetime) -> datetime | None:
    """Return the first fire after a moment; around clock changes cronsim may tell earlier ones."""
    for fire in CronSim(cron, moment.astimezone(ZoneInfo(timezone))):
        in_utc = fire.astimezone(UTC)
        if in_utc > moment:
            return in_utc
    return None


def _on_the_grid(interval_seconds: int, moment: datetime, counted_from: datetime) -> datetime:
    interval = timedelta(seconds=interval_seconds)
    passed = max(0, (moment - counted_from) // interval)
    return counted_from + (passed + 1) * interval


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_ZONES
