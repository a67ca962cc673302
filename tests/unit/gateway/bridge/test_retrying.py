from datetime import UTC, datetime

import pytest

from gateway.bridge.retrying import (
    BACKOFF_MAX_S,
    RETRY_AFTER_MAX_S,
    is_repeated,
    pause_s,
    retry_after_s,
)

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 599])
def test_passing_trouble_is_worth_another_attempt(status: int) -> None:
    assert is_repeated(status)


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 413, 422])
def test_other_refusals_are_final(status: int) -> None:
    assert not is_repeated(status)


def test_the_back_off_doubles_to_a_ceiling() -> None:
    pauses = [pause_s(repeat, retry_after_s=None, chance=1.0) for repeat in range(8)]

    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, BACKOFF_MAX_S, BACKOFF_MAX_S]


def test_a_very_late_repeat_waits_no_longer() -> None:
    assert pause_s(5000, retry_after_s=None, chance=1.0) == BACKOFF_MAX_S


def test_the_whole_back_off_is_drawn() -> None:
    assert pause_s(3, retry_after_s=None, chance=0.0) == 0.0
    assert pause_s(3, retry_after_s=None, chance=0.5) == 2.0


def test_what_the_upstream_asks_for_is_the_least_wait() -> None:
    assert pause_s(0, retry_after_s=7.0, chance=0.0) == 7.0
    assert 7.0 < pause_s(0, retry_after_s=7.0, chance=1.0) < 8.0


def test_an_upstream_cannot_ask_for_an_hour() -> None:
    assert pause_s(0, retry_after_s=3600.0, chance=0.0) == RETRY_AFTER_MAX_S


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "Retry-After": "3"}, 0.25),
        ({"retry-after-ms": "soon", "Retry-After": "3"}, 3.0),
        ({"Retry-After": "Fri, 01 May 2026 12:00:20 GMT"}, 20.0),
        ({"Retry-After": "Fri, 01 May 2026 11:00:00 GMT"}, None),
        ({"Retry-After": "Fri, 01 May 2026 12:00:20"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "0"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "tomorrow"}, None),
    ],
)
def test_the_wait_asked_for_is_read_from_either_header(
    headers: dict[str, str], expected: float | None
) -> None:
    assert retry_after_s(headers, NOW) == expected
