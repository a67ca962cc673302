"""What the phase timings of a trial tell; they are kept as they were reported."""

from datetime import UTC, datetime

import orjson


def agent_seconds(phase_timings_json: bytes) -> float | None:
    """Return how long the agent worked; None unless its phase has two times in order.

    The phase is `agent_execution`, as Harbor names it; the others prepare and verify. Times are
    ISO 8601; those without an offset are UTC.
    """
    phases = orjson.loads(phase_timings_json or b"{}")
    match phases:
        case {"agent_execution": {"started_at": str(began), "finished_at": str(ended)}}:
            seconds = _seconds(began, ended)
            return seconds if seconds is not None and seconds >= 0 else None
    return None


def _seconds(began: str, ended: str) -> float | None:
    try:
        return (_moment(ended) - _moment(began)).total_seconds()
    except (ValueError, OverflowError):
        return None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
