"""Clocks inside the process: end our loops over tenant text, and tenant code, after a while.

They serve a clear message. What ignores them is ended from outside by the limits of the jail.
"""

import signal
from types import FrameType, TracebackType

# After the first signal the next ones come this often, for code that swallowed it.
_REPEAT_S = 0.05


class TimeLimitExceeded(BaseException):
    """The block ran past its limit.

    Not an `Exception`, so that no `except Exception` on the way swallows it.
    """


class TimeLimit:
    """Raise `TimeLimitExceeded` in the `with` block once the time is over.

    Works in the main thread only. Blocks may be nested.
    """

    def __init__(self, timer: int, signal_number: int, limit_s: float) -> None:
        self._timer = timer
        self._signal_number = signal_number
        self._limit_s = limit_s

    def __enter__(self) -> None:
        """Start the clock."""
        self._previous_handler = signal.signal(self._signal_number, _expire)
        self._previous_timer = signal.setitimer(self._timer, self._limit_s, _REPEAT_S)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the clock and put back what was there before."""
        signal.setitimer(self._timer, *self._previous_timer)
        signal.signal(self._signal_number, self._previous_handler)


def cpu_limit(limit_s: float) -> TimeLimit:
    """Limit the CPU time of this process: fair to pure computation on a busy machine."""
    return TimeLimit(signal.ITIMER_PROF, signal.SIGPROF, limit_s)


def wall_limit(limit_s: float) -> TimeLimit:
    """Limit the time that passes: for code that may sleep."""
    return TimeLimit(signal.ITIMER_REAL, signal.SIGALRM, limit_s)


def _expire(signal_number: int, frame: FrameType | None) -> None:
    # A signal that arrives while the clock is being stopped is too late to count, and raising
    # there would leave the timer on.
    if frame is None or frame.f_code is not TimeLimit.__exit__.__code__:
        raise TimeLimitExceeded(signal_number)
