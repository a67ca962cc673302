import pytest

from orchestrator.domain.schedules.firing import OverlapPolicy, Step, next_step

SKIP, BUFFER, ALL = OverlapPolicy.SKIP, OverlapPolicy.BUFFER_ONE, OverlapPolicy.ALLOW_ALL


@pytest.mark.parametrize("policy", OverlapPolicy)
def test_a_due_schedule_without_an_unfinished_run_starts_one(policy: OverlapPolicy) -> None:
    assert next_step(policy, due=True, buffered=False, busy=False) == Step(
        starts=True, buffered=False
    )


@pytest.mark.parametrize(
    ("policy", "step"),
    [
        (SKIP, Step(starts=False, buffered=False)),
        (BUFFER, Step(starts=False, buffered=True)),
        (ALL, Step(starts=True, buffered=False)),
    ],
)
def test_an_unfinished_run_is_met_as_the_policy_says(policy: OverlapPolicy, step: Step) -> None:
    assert next_step(policy, due=True, buffered=False, busy=True) == step


def test_one_start_is_remembered_however_often_it_was_due() -> None:
    again = next_step(BUFFER, due=True, buffered=True, busy=True)

    assert again == Step(starts=False, buffered=True)


def test_the_remembered_start_is_made_when_the_run_has_ended() -> None:
    assert next_step(BUFFER, due=False, buffered=True, busy=False) == Step(
        starts=True, buffered=False
    )


def test_a_time_that_comes_with_the_remembered_start_is_remembered_in_its_place() -> None:
    assert next_step(BUFFER, due=True, buffered=True, busy=False) == Step(
        starts=True, buffered=True
    )


def test_nothing_happens_when_nothing_is_due() -> None:
    for policy in OverlapPolicy:
        step = next_step(policy, due=False, buffered=False, busy=True)
        assert step == Step(starts=False, buffered=False)
