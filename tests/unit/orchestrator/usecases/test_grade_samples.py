import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.domain.sample import SampleState
from orchestrator.domain.work import GradableSample, Shard
from orchestrator.usecases.grade_samples import LOSSES_MAX, SampleGrader
from orchestrator.usecases.hold_run_token import RunToken
from orchestrator.usecases.keep_leases import HeldLease
from orchestrator.usecases.store_results import ResultStore
from unit.orchestrator.usecases.fakes import (
    LEASE,
    Away,
    FakeBridge,
    FakeClock,
    FakeSamples,
    FakeSandbox,
    FakeSteps,
    fresh_token,
    shard_job,
    token,
)


class Grading:
    """A grader of samples over fakes."""

    def __init__(self, size: int = 4, **job: Any) -> None:
        self.samples, self.sandbox, self.clock = FakeSamples(size), FakeSandbox(), FakeClock()
        self.samples.generate(*range(size))
        self.job = shard_job(size, **job)
        self.results = ResultStore(self.job.shard, self.samples, share=1, on_ready=lambda _: None)
        run_token = RunToken(
            "run",
            self.job.run_token,
            bridge=FakeBridge(),
            steps=FakeSteps(),
            clock=self.clock,
        )
        self.grader = SampleGrader(
            self.job,
            HeldLease(LEASE, self.job.share),
            samples=self.samples,
            sandbox=self.sandbox,
            token=run_token,
            results=self.results,
        )

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.results.run())
            await self.grader.run()
            self.results.close()

    async def grade_all(self) -> None:
        self.grader.add_ready(range(len(self.samples.states)))
        self.grader.end()
        await self.run()

    @property
    def sent(self) -> Counter[int]:
        return Counter(n for batch in self.sandbox.batches for n in batch)

    def assert_all_completed(self) -> None:
        assert set(self.samples.states.values()) == {SampleState.COMPLETED}


async def test_samples_are_graded_as_they_become_ready_over_one_stream() -> None:
    grading = Grading(10)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(grading.run())
        for n in range(10):
            await asyncio.sleep(1)
            grading.grader.add_ready([n])
        await asyncio.sleep(100)
        grading.grader.end()

    grading.assert_all_completed()
    assert len(grading.sandbox.orders) == 1
    assert grading.sandbox.orders[0].run_token == ""


async def test_with_nothing_to_grade_no_stream_is_opened() -> None:
    grading = Grading(0)

    await grading.grade_all()

    assert grading.sandbox.orders == []


async def test_no_more_samples_are_sent_than_the_grader_may_have_of_us() -> None:
    grading = Grading(300)
    grading.sandbox.may_grade.clear()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(grading.grade_all())
        await asyncio.sleep(10)
        waiting = sum(grading.sent.values())
        grading.sandbox.may_grade.set()

    assert waiting == 64
    grading.assert_all_completed()


async def test_large_samples_go_a_few_at_a_time() -> None:
    grading = Grading(5)
    grading.samples.gradable_max = 2

    await grading.grade_all()

    assert grading.sandbox.batches == [[0, 1], [2, 3], [4]]
    grading.assert_all_completed()


async def test_a_sample_that_fits_in_no_message_fails_alone() -> None:
    grading = Grading(2)
    grading.samples.prompt = "x" * (16 * 1024 * 1024)

    await grading.grade_all()

    assert set(grading.samples.states.values()) == {SampleState.FAILED}
    assert grading.sandbox.batches == []


@pytest.mark.parametrize("trouble", [Away(), TimeoutError(), ExceptionGroup("tasks", [Away()])])
async def test_a_grader_that_goes_away_gets_what_it_did_not_answer_again(
    trouble: Exception,
) -> None:
    grading = Grading(5)
    grading.sandbox.trouble = [trouble] * 3

    await grading.grade_all()

    grading.assert_all_completed()
    assert len(grading.sandbox.orders) == 4


async def test_a_mistake_of_ours_is_not_repeated_for_ever() -> None:
    grading = Grading(5)
    grading.sandbox.trouble = [ValueError("a mistake")]

    with pytest.raises(ExceptionGroup) as ended:
        await grading.grade_all()

    assert ended.group_contains(ValueError)


async def test_a_stream_that_ends_early_is_opened_again() -> None:
    grading = Grading(5)
    grading.sandbox.cuts = 2

    await grading.grade_all()

    grading.assert_all_completed()


async def test_no_sample_is_lost_when_the_stream_breaks_while_it_is_fetched() -> None:
    grading = Grading(200)
    grading.sandbox.trouble = [Away()] * 3
    gradable = grading.samples.gradable

    async def slowly(shard: Shard, indices: Sequence[int]) -> Sequence[GradableSample]:
        await asyncio.sleep(0.5)
        return await gradable(shard, indices)

    grading.samples.gradable = slowly  # type: ignore[method-assign] # it only takes longer
    await grading.grade_all()

    grading.assert_all_completed()


async def test_a_sample_whose_jail_was_lost_is_sent_again() -> None:
    grading = Grading(3)
    grading.sandbox.lose = Counter({1: 2})

    await grading.grade_all()

    grading.assert_all_completed()
    assert grading.sent == {0: 1, 1: 3, 2: 1}


async def test_a_sample_that_was_never_answered_is_sent_again() -> None:
    grading = Grading(3)
    grading.sandbox.forget = {1}

    await grading.grade_all()

    grading.assert_all_completed()
    assert grading.sent[1] == 2


async def test_a_sample_that_always_loses_its_jail_is_let_go() -> None:
    grading = Grading(2)
    grading.sandbox.lose = Counter({1: 1_000})

    await grading.grade_all()

    assert grading.samples.states[0] is SampleState.COMPLETED
    failure = grading.samples.gradings[1].failure
    assert failure is not None
    assert failure.code == "grader_unavailable"
    assert grading.sent[1] == LOSSES_MAX + 1


async def test_a_grader_that_hangs_is_asked_again_after_a_while() -> None:
    grading = Grading(2)
    grading.sandbox.may_grade.clear()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(grading.grade_all())
        await asyncio.sleep(2_000)
        assert len(grading.sandbox.orders) > 1
        grading.sandbox.may_grade.set()

    grading.assert_all_completed()


async def test_a_quiet_stream_is_not_a_hanging_one() -> None:
    grading = Grading(2)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(grading.run())
        grading.grader.add_ready([0])
        await asyncio.sleep(10_000)
        grading.grader.add_ready([1])
        grading.grader.end()

    assert len(grading.sandbox.orders) == 1
    grading.assert_all_completed()


async def test_a_stream_that_may_ask_models_ends_before_its_token_does() -> None:
    grading = Grading(2, grader={"model_access": "mka1"})

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(grading.run())
        grading.grader.add_ready([0])
        await asyncio.sleep(60)
        grading.clock.now += timedelta(minutes=55)
        await asyncio.sleep(60)
        grading.grader.add_ready([1])
        grading.grader.end()

    tokens = [order.run_token for order in grading.sandbox.orders]
    assert tokens == [token(), fresh_token(1)]
    grading.assert_all_completed()


async def test_samples_are_asked_for_again_while_postgres_is_away() -> None:
    grading = Grading(2)
    grading.samples.away = 3

    await grading.grade_all()

    grading.assert_all_completed()
