from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.schedules.cadence import Cadence, cadence_problems

BERLIN = "Europe/Berlin"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(cron: str, timezone: str, *, start: str, count: int) -> list[str]:
    """The times of a clock that is turned to each fire."""
    cadence = Cadence(cron=cron, interval_seconds=None, timezone=timezone)
    now, found = utc(start), []
    for _ in range(count):
        now = cadence.after(now, counted_from=LONG_AGO)
        found.append(now.strftime("%m-%d %H:%M"))
    return found


def reasons(**wishes: object) -> list[tuple[str, str]]:
    given: dict[str, object] = {"cron": None, "interval_seconds": None, "timezone": "UTC", **wishes}
    return [(found.path, found.reason) for found in cadence_problems(**given)]  # type: ignore[arg-type]


def test_a_daily_time_keeps_its_place_on_the_wall_clock() -> None:
    spring = fires("0 9 * * *", BERLIN, start="2027-03-27 00:00", count=3)
    autumn = fires("0 9 * * *", BERLIN, start="2027-10-30 00:00", count=3)

    assert spring == ["03-27 08:00", "03-28 07:00", "03-29 07:00"]
    assert autumn == ["10-30 07:00", "10-31 08:00", "11-01 08:00"]


def test_a_time_that_spring_leaves_out_comes_right_after_the_gap() -> None:
    # 2027-03-28 has no 02:30 in Berlin: at 02:00 it is 03:00.
    found = fires("30 2 * * *", BERLIN, start="2027-03-27 00:00", count=3)

    assert found == ["03-27 01:30", "03-28 01:00", "03-29 00:30"]


def test_two_times_that_spring_leaves_out_come_as_one() -> None:
    found = fires("0,30 2 * * *", BERLIN, start="2027-03-28 00:00", count=3)

    assert found == ["03-28 01:00", "03-29 00:00", "03-29 00:30"]


def test_a_time_that_autumn_has_twice_comes_once() -> None:
    found = fires("30 2 * * *", BERLIN, start="2027-10-30 12:00", count=2)

    assert found == ["10-31 00:30", "11-01 01:30"]


def test_looking_between_the_two_same_times_of_autumn_does_not_go_back() -> None:
    # 01:10 UTC is the second 02:10; the 02:30 of the wall clock was at 00:30 UTC.
    assert fires("30 2 * * *", BERLIN, start="2027-10-31 01:10", count=1) == ["11-01 01:30"]


def test_every_hour_is_every_real_hour() -> None:
    autumn = fires("0 * * * *", BERLIN, start="2027-10-30 23:30", count=4)
    spring = fires("0 * * * *", BERLIN, start="2027-03-28 00:30", count=3)

    assert autumn == ["10-31 00:00", "10-31 01:00", "10-31 02:00", "10-31 03:00"]
    assert spring == ["03-28 01:00", "03-28 02:00", "03-28 03:00"]


def test_intervals_know_no_clock_changes_and_stay_on_their_grid() -> None:
    daily = Cadence(cron=None, interval_seconds=86_400, timezone=BERLIN)
    begun = utc("2027-03-27 02:30")

    following = daily.after(begun, counted_from=begun)
    late = daily.after(begun + timedelta(days=5, hours=7), counted_from=begun)

    assert following - begun == timedelta(days=1)
    assert late - begun == timedelta(days=6)


def test_the_time_after_a_fire_is_never_the_fire_itself() -> None:
    minutely = Cadence(cron="* * * * *", interval_seconds=None, timezone="UTC")
    each = Cadence(cron=None, interval_seconds=60, timezone="UTC")
    now = utc("2027-01-01 00:00")

    assert minutely.after(now, counted_from=now) == now + timedelta(minutes=1)
    assert each.after(now, counted_from=now) == now + timedelta(minutes=1)


def test_a_leap_day_is_waited_for() -> None:
    assert fires("0 0 29 2 *", "UTC", start="2025-01-01 00:00", count=1) == ["02-29 00:00"]


@pytest.mark.parametrize(
    "cron", ["0 9 * * *", "*/5 8-18 * * MON-FRI", "0 0 L * *", "0 0 * * SUN#1", "0 0 31 2 MON"]
)
def test_what_cron_reads_is_taken(cron: str) -> None:
    assert reasons(cron=cron) == []


@pytest.mark.parametrize("cron", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6 *", "5 5 */31 * MON#5"])
def test_a_date_that_never_comes_is_refused(cron: str) -> None:
    assert reasons(cron=cron) == [("cron", "CRON_NEVER_FIRES")]


@pytest.mark.parametrize(
    "cron",
    [
        *("", "* * * *", "* * * * * *", "@daily", "60 * * * *", "0 24 * * *", "0 0 0 * *"),
        *("0 0 1 13 *", "*/0 * * * *", "a b c d e", "5-1 * * * *", "²L * * * *", "0 0 ² * *"),
        *(
            "0 0 1#1/2 * *",
            "* * * * L",
            "* * * * 5L/2",
            "1," * 126 + "1 * * * *",
            "\N{SNOWMAN}" * 9,
        ),
    ],
)
def test_what_cron_does_not_read_is_refused(cron: str) -> None:
    assert reasons(cron=cron) == [("cron", "INVALID_CRON")]


def test_exactly_one_cadence_is_needed() -> None:
    assert reasons() == [("cron", "ONE_CADENCE")]
    assert reasons(cron="0 9 * * *", interval_seconds=60) == [("cron", "ONE_CADENCE")]


@pytest.mark.parametrize(("seconds", "taken"), [(59, False), (60, True), (31_622_400, True)])
def test_intervals_have_bounds(seconds: int, *, taken: bool) -> None:
    wrong = [] if taken else [("interval_seconds", "INVALID_INTERVAL")]
    assert reasons(interval_seconds=seconds) == wrong
    assert reasons(interval_seconds=31_622_401) == [("interval_seconds", "INVALID_INTERVAL")]


@pytest.mark.parametrize("name", ["", "Mars", "localtime", "../etc/passwd", "/etc/localtime"])
def test_only_names_of_zones_are_zones(name: str) -> None:
    assert reasons(interval_seconds=60, timezone=name) == [("timezone", "UNKNOWN_TIMEZONE")]
