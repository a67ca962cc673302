import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.deadlines import RETURN_MARGIN_S, WORK_MIN_S, budget_s
from servicekit.errors import DeadlineExceeded


def test_without_a_deadline_the_default_holds() -> None:
    assert budget_s(None, default_s=10) == 10


def test_the_way_back_is_kept_free() -> None:
    assert budget_s(5, default_s=10) == 5 - RETURN_MARGIN_S


def test_a_generous_caller_does_not_raise_the_limit() -> None:
    assert budget_s(3600, default_s=10) == 10


@pytest.mark.parametrize("remaining_s", [WORK_MIN_S, 0, -3])
def test_what_cannot_be_done_in_time_is_not_begun(remaining_s: float) -> None:
    with pytest.raises(DeadlineExceeded):
        budget_s(remaining_s, default_s=10)


@given(remaining_s=st.floats(-10, 1000), default_s=st.floats(WORK_MIN_S, 100))
def test_the_budget_always_ends_before_the_caller_gives_up(
    remaining_s: float, default_s: float
) -> None:
    try:
        budget = budget_s(remaining_s, default_s=default_s)
    except DeadlineExceeded:
        return

    assert WORK_MIN_S <= budget <= min(default_s, remaining_s - RETURN_MARGIN_S)
