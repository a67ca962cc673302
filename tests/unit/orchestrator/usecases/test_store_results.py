import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from orchestrator.domain.failure import Failure
from orchestrator.domain.outcomes import Generated
from orchestrator.domain.sample import SampleState
from orchestrator.domain.work import LeaseLost
from orchestrator.usecases.store_results import ResultStore
from unit.orchestrator.usecases.fakes import FakeSamples, scored, shard


def output(n: int) -> Generated:
    return Generated(sample_index=n, output_text=str(n))


@asynccontextmanager
async def storing(
    samples: FakeSamples, ready: list[int] | None = None, *, share: int = 1
) -> AsyncIterator[ResultStore]:
    found = [] if ready is None else ready
    results = ResultStore(shard(100), samples, share=share, on_ready=found.extend)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(results.run())
        yield results
        results.close()


async def test_results_that_come_close_together_are_one_commit() -> None:
    samples, ready = FakeSamples(), list[int]()
    async with storing(samples, ready) as results:
        for n in range(3):
            stored = results.add_generated(output(n))
        await stored.wait()

        assert len(samples.commits) == 1
        assert ready == [0, 1, 2]


async def test_a_commit_waits_50_ms_for_company_and_not_longer() -> None:
    samples = FakeSamples()
    async with storing(samples) as results:
        began = asyncio.get_running_loop().time()
        await results.add_generated(output(0)).wait()

        assert asyncio.get_running_loop().time() - began == pytest.approx(0.05)


async def test_a_result_that_somebody_waits_for_is_stored_sooner() -> None:
    samples = FakeSamples()
    async with storing(samples) as results:
        began = asyncio.get_running_loop().time()
        results.add_generated(output(0))
        await results.add_generated(output(1), within_s=0.002).wait()

        assert asyncio.get_running_loop().time() - began == pytest.approx(0.002)
        assert len(samples.commits) == 1


@pytest.mark.parametrize(("share", "rows"), [(1, 8), (64, 16), (4_000, 200)])
async def test_enough_results_are_stored_at_once(share: int, rows: int) -> None:
    samples = FakeSamples(300)
    async with storing(samples, share=share) as results:
        began = asyncio.get_running_loop().time()
        for n in range(rows):
            stored = results.add_generated(output(n))
        await stored.wait()

        assert asyncio.get_running_loop().time() == began


async def test_a_call_that_ends_at_once_never_shows_as_generating() -> None:
    samples = FakeSamples()
    async with storing(samples) as results:
        results.note_generating(0)
        results.note_generating(1)
        await results.add_generated(output(0)).wait()

    assert samples.commits[0].generating == {1}
    assert samples.states[1] is SampleState.GENERATING


async def test_a_sample_that_failed_is_not_handed_to_the_grader() -> None:
    samples, ready = FakeSamples(), list[int]()
    failure = Failure(code="model_error", message="no", stage="generate")
    async with storing(samples, ready) as results:
        results.add_generated(Generated(sample_index=0, failure=failure))
        results.add_generated(output(1))

    assert ready == [1]


async def test_scores_follow_their_outputs() -> None:
    samples = FakeSamples()
    async with storing(samples) as results:
        await results.add_generated(output(0)).wait()
        results.note_scoring([0])
        await results.flush()
        between = samples.states[0]
        results.add_graded(scored(0))

    assert (between, samples.states[0]) == (SampleState.SCORING, SampleState.COMPLETED)


async def test_flushing_nothing_returns_and_flushing_during_a_commit_waits_for_it() -> None:
    samples = FakeSamples()
    async with storing(samples) as results:
        await results.flush()
        samples.may_write.clear()
        results.add_generated(output(0), within_s=0)
        await asyncio.sleep(1)

        async with asyncio.TaskGroup() as tasks:
            flushing = tasks.create_task(results.flush())
            await asyncio.sleep(1)
            assert not flushing.done()
            samples.may_write.set()

        assert samples.states[0] is SampleState.READY_TO_SCORE


async def test_results_are_kept_while_postgres_is_away() -> None:
    samples = FakeSamples()
    samples.away = 5
    async with storing(samples) as results:
        await results.add_generated(output(0)).wait()

    assert samples.states[0] is SampleState.READY_TO_SCORE


async def test_a_lost_lease_ends_the_storing() -> None:
    samples = FakeSamples()
    samples.lost = True

    with pytest.raises(ExceptionGroup) as ended:
        async with storing(samples) as results:
            await results.add_generated(output(0)).wait()

    assert ended.group_contains(LeaseLost)


async def test_stopped_it_stores_what_it_has_and_what_it_was_storing() -> None:
    samples = FakeSamples()
    results = ResultStore(shard(), samples, share=1, on_ready=lambda _: None)
    samples.may_write.clear()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(results.run())
        results.add_generated(output(0), within_s=0)
        await asyncio.sleep(1)
        results.add_generated(output(1))
        samples.may_write.set()
        running.cancel()

    assert [samples.states[n] for n in range(3)] == [
        SampleState.READY_TO_SCORE,
        SampleState.READY_TO_SCORE,
        SampleState.QUEUED,
    ]


@pytest.mark.parametrize("reason", ["away", "lost", "hangs"])
async def test_stopped_it_does_not_insist(reason: str) -> None:
    samples = FakeSamples()
    results = ResultStore(shard(), samples, share=1, on_ready=lambda _: None)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(results.run())
        results.add_generated(output(0))
        await asyncio.sleep(0)
        samples.away, samples.lost = 9 * (reason == "away"), reason == "lost"
        if reason == "hangs":
            samples.may_write.clear()
        running.cancel()

    assert samples.states[0] is SampleState.QUEUED
