"""How much of the caller's time a handler may use."""

from servicekit.errors import DeadlineExceeded

RETURN_MARGIN_S = 0.02  # time to carry the answer back to the caller
WORK_MIN_S = 0.1  # less than this is not worth starting


def budget_s(remaining_s: float | None, *, default_s: float) -> float:
    """Seconds the work may take: what the caller left minus the way back, at most `default_s`.

    `remaining_s` is what gRPC says is left; None means that the caller set no deadline.

    Raises:
        DeadlineExceeded: too little is left to start at all.
    """
    if remaining_s is None:
        return default_s
    budget = min(remaining_s - RETURN_MARGIN_S, default_s)
    if budget < WORK_MIN_S:
        raise DeadlineExceeded(
            "too little time was left to start", remaining_s=f"{remaining_s:.3f}"
        )
    return budget
