from collections import Counter

import pytest

from orchestrator.domain.sample import SampleState
from orchestrator.domain.sharding import ShardKind
from orchestrator.usecases.grade_group import GroupGrader
from orchestrator.usecases.hold_run_token import RunToken
from unit.orchestrator.usecases.fakes import (
    Away,
    FakeBridge,
    FakeClock,
    FakeSamples,
    FakeSandbox,
    FakeSteps,
    shard_job,
    token,
)


class Group:
    """A grader of a group over fakes."""

    def __init__(self, size: int = 4, *, model_access: str = "none") -> None:
        self.samples, self.sandbox = FakeSamples(size), FakeSandbox()
        self.samples.generate(*range(size))
        grader = {"model_access": model_access}
        self.job = shard_job(max(size, 1), kind=ShardKind.AGGREGATE, grader=grader)

    async def grade(self) -> None:
        run_token = RunToken(
            "run", token(), bridge=FakeBridge(), steps=FakeSteps(), clock=FakeClock()
        )
        grader = GroupGrader(self.job, samples=self.samples, sandbox=self.sandbox, token=run_token)
        await grader.run()

    def assert_all_completed(self) -> None:
        assert set(self.samples.states.values()) == {SampleState.COMPLETED}


async def test_a_group_is_one_execution_over_all_that_was_generated() -> None:
    group = Group(250)
    group.sandbox.metrics_json = b'{"f1": 1}'

    await group.grade()

    group.assert_all_completed()
    (order,) = group.sandbox.orders
    assert (order.aggregate, order.run_token) == (True, "")
    assert [len(batch) for batch in group.sandbox.batches] == [100, 100, 50]
    assert group.samples.metrics_json == b'{"f1": 1}'


async def test_a_group_of_which_nothing_was_generated_is_done() -> None:
    group = Group(0)

    await group.grade()

    assert group.sandbox.orders == []


async def test_a_group_that_may_ask_models_gets_the_token() -> None:
    group = Group(model_access="mka1")

    await group.grade()

    assert group.sandbox.orders[0].run_token == token()


@pytest.mark.parametrize("trouble", [Away(), TimeoutError()])
async def test_an_interrupted_group_starts_over(trouble: Exception) -> None:
    group = Group()
    group.sandbox.trouble = [trouble]

    await group.grade()

    group.assert_all_completed()
    assert group.sandbox.batches == [[0, 1, 2, 3]] * 2


async def test_a_group_whose_jail_was_lost_starts_over() -> None:
    group = Group()
    group.sandbox.lose = Counter({2: 1})

    await group.grade()

    group.assert_all_completed()
    assert len(group.sandbox.orders) == 2


async def test_a_group_that_was_not_answered_in_full_starts_over() -> None:
    group = Group()
    group.sandbox.forget = {2}

    await group.grade()

    group.assert_all_completed()


async def test_a_group_that_always_loses_its_jail_is_let_go() -> None:
    group = Group()
    group.sandbox.lose = Counter({2: 1_000})

    await group.grade()

    assert set(group.samples.states.values()) == {SampleState.FAILED}
    failures = {graded.failure.code for graded in group.samples.gradings.values() if graded.failure}
    assert failures == {"grader_unavailable"}


async def test_a_mistake_of_ours_is_not_repeated_for_ever() -> None:
    group = Group()
    group.sandbox.trouble = [ValueError("a mistake")]

    with pytest.raises(ExceptionGroup):
        await group.grade()


async def test_samples_that_fit_in_no_message_fail_and_the_others_are_graded() -> None:
    group = Group(2)
    group.samples.prompt = "x" * (16 * 1024 * 1024)

    await group.grade()

    assert set(group.samples.states.values()) == {SampleState.FAILED}


async def test_postgres_being_away_is_waited_for() -> None:
    group = Group(2)
    group.samples.away = 5

    await group.grade()

    group.assert_all_completed()
