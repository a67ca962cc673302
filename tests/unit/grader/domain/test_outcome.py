import signal

import pytest

from grader.domain.outcome import Cause, Ending, Limits, Outcome, failure_of

LIMITS = Limits(wall_s=5.0, memory_bytes=1_000, cpu_s=6)


def ending(status: int, *, killed: bool = False, cpu_s: float = 0.0, rss_bytes: int = 0) -> Ending:
    return Ending(status=status, killed=killed, cpu_s=cpu_s, rss_bytes=rss_bytes)


@pytest.mark.parametrize(
    ("cause", "how", "outcome", "code"),
    [
        (Cause.RAN_OUT_OF_TIME, ending(9, killed=True), Outcome.TIMEOUT, "grader_timeout"),
        (Cause.PRINTED_TOO_MUCH, ending(9, killed=True), Outcome.OUTPUT_LIMIT, "output_limit"),
        (
            Cause.SPOKE_NONSENSE,
            ending(9, killed=True),
            Outcome.INVALID_RESULT,
            "invalid_grader_result",
        ),
        (Cause.LOST, None, Outcome.JAIL_LOST, "jail_lost"),
        (Cause.HUNG_UP, None, Outcome.JAIL_LOST, "jail_lost"),
        (Cause.HUNG_UP, ending(0), Outcome.CRASHED, "grader_crashed"),
        (Cause.HUNG_UP, ending(3 << 8), Outcome.CRASHED, "grader_crashed"),
        (Cause.HUNG_UP, ending(9, killed=True), Outcome.CRASHED, "grader_crashed"),
        (Cause.HUNG_UP, ending(signal.SIGSEGV), Outcome.CRASHED, "grader_crashed"),
        (
            Cause.HUNG_UP,
            ending(signal.SIGSYS),
            Outcome.SANDBOX_VIOLATION,
            "sandbox_violation",
        ),
        (Cause.HUNG_UP, ending(signal.SIGXCPU), Outcome.TIMEOUT, "grader_timeout"),
        (Cause.HUNG_UP, ending(35), Outcome.CRASHED, "grader_crashed"),  # a signal without a name
        (Cause.HUNG_UP, ending(signal.SIGKILL, cpu_s=6.5), Outcome.TIMEOUT, "grader_timeout"),
        (Cause.HUNG_UP, ending(signal.SIGXFSZ), Outcome.OUTPUT_LIMIT, "output_limit"),
        (Cause.HUNG_UP, ending(signal.SIGKILL, rss_bytes=900), Outcome.OUT_OF_MEMORY, "grader_oom"),
        (Cause.HUNG_UP, ending(signal.SIGKILL, rss_bytes=10), Outcome.CRASHED, "grader_crashed"),
    ],
)
def test_each_way_to_end_without_a_result_has_its_name(
    cause: Cause, how: Ending | None, outcome: Outcome, code: str
) -> None:
    failure = failure_of(cause, how, LIMITS)

    assert (failure.outcome, failure.code) == (outcome, code)
    assert failure.message


def test_the_sentences_say_what_happened() -> None:
    assert "5 s" in failure_of(Cause.RAN_OUT_OF_TIME, None, LIMITS).message
    assert "status 3" in failure_of(Cause.HUNG_UP, ending(3 << 8), LIMITS).message
    assert "SIGSEGV" in failure_of(Cause.HUNG_UP, ending(signal.SIGSEGV), LIMITS).message
    assert "a bad frame" in failure_of(Cause.SPOKE_NONSENSE, None, LIMITS, "a bad frame").message
