"""When a call to an upstream is repeated, and after how long."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
RETRY_AFTER_MAX_S = 60.0  # an upstream that wants more is asked again and may refuse again
RETRY_AFTER_SPREAD = 0.1  # calls refused together must not come back together
_REPEATED_STATUSES = frozenset({408, 409, 429})
_SERVER_ERROR = 500


def is_repeated(status: int) -> bool:
    """True when an upstream answer with this HTTP status is worth another attempt."""
    return status in _REPEATED_STATUSES or status >= _SERVER_ERROR


def pause_s(repeat: int, *, retry_after_s: float | None, chance: float) -> float:
    """Return how long to wait before a repeat, in seconds.

    Args:
        repeat: 0 before the first repeat.
        retry_after_s: What the upstream asked for; None when it did not.
        chance: Random number from 0 to 1: the whole of the back-off is drawn, so that calls spread.
    """
    if retry_after_s is not None:
        return min(retry_after_s, RETRY_AFTER_MAX_S) * (1 + RETRY_AFTER_SPREAD * chance)
    # 2**10 is past the ceiling already; a large exponent would only overflow.
    return min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(repeat, 10)) * chance


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the wait that `retry-after-ms` or `Retry-After` asks for, None without one."""
    milliseconds = _positive(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    after = headers.get("Retry-After")
    if after is None:
        return None
    seconds = _positive(after)
    return seconds if seconds is not None else _until(after, now)


def _positive(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None


def _until(date: str, now: datetime) -> float | None:
    try:
        wait = (parsedate_to_datetime(date) - now).total_seconds()
    except (ValueError, TypeError):  # TypeError: a date without a zone
        return None
    return wait if wait > 0 else None
