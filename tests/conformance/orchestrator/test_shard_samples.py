"""What the samples of a shard do, in Postgres and in the memory of unit tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from integration.orchestrator.outbound.postgres.stores import opened
from orchestrator.domain.failure import Failure
from orchestrator.domain.outcomes import Generated, Graded, SampleChanges
from orchestrator.domain.sharding import ShardKind
from orchestrator.domain.work import LeaseLost, Shard
from orchestrator.ports.stores import ShardSamples
from unit.orchestrator.usecases.fakes import FakeSamples, scored, shard

SIZE = 5

Subject = tuple[ShardSamples, Shard, Callable[[], AbstractAsyncContextManager[None]]]
"""The samples, their shard, and a block in which the lease of the shard is lost."""


@pytest.fixture(params=["memory", "postgres"])
async def subject(request: pytest.FixtureRequest, postgres_dsn: str) -> AsyncIterator[Subject]:
    if request.param == "memory":
        yield in_memory()
        return
    async with opened(postgres_dsn) as stores:
        run_id = await stores.add_prepared_run(SIZE, shard_size=SIZE)
        job = await stores.shards.take(run_id, 0)
        assert job is not None

        @asynccontextmanager
        async def lost() -> AsyncIterator[None]:
            await stores.execute("UPDATE shards SET epoch = epoch + 1")
            yield

        yield stores.samples, job.shard, lost


def in_memory() -> Subject:
    samples = FakeSamples(SIZE)

    @asynccontextmanager
    async def lost() -> AsyncIterator[None]:
        samples.lost = True
        yield

    return samples, shard(SIZE), lost


def outputs(*indices: int, failed: tuple[int, ...] = ()) -> SampleChanges:
    failure = Failure(code="model_error", message="no", stage="generate")
    found = {n: Generated(sample_index=n, output_text=str(n)) for n in indices}
    found |= {n: Generated(sample_index=n, failure=failure) for n in failed}
    return SampleChanges(generated=found)


def scores(*indices: int) -> SampleChanges:
    found: dict[int, Graded] = {n: scored(n) for n in indices}
    return SampleChanges(graded=found)


async def queued(samples: ShardSamples, place: Shard, *, after: int = -1) -> list[int]:
    return [s.sample_index for s in await samples.queued(place, after=after, limit=3)]


async def test_queued_samples_come_in_order_a_few_at_a_time(subject: Subject) -> None:
    samples, place, _ = subject

    assert await queued(samples, place) == [0, 1, 2]
    assert await queued(samples, place, after=2) == [3, 4]
    assert await queued(samples, place, after=4) == []


async def test_an_output_makes_a_sample_ready_and_a_failure_ends_it(subject: Subject) -> None:
    samples, place, _ = subject

    await samples.write(place, outputs(0, 2, failed=(1,)), repeated=False)

    assert list(await samples.ready(place)) == [0, 2]
    assert await queued(samples, place) == [3, 4]


async def test_a_sample_in_hand_is_neither_queued_nor_ready(subject: Subject) -> None:
    samples, place, _ = subject
    await samples.write(place, outputs(0, 1), repeated=False)

    await samples.write(place, SampleChanges(generating={2}, scoring={0}), repeated=False)

    assert await queued(samples, place) == [3, 4]
    assert list(await samples.ready(place)) == [1]


async def test_a_mark_that_comes_too_late_changes_nothing(subject: Subject) -> None:
    samples, place, _ = subject
    await samples.write(place, outputs(0), repeated=False)
    await samples.write(place, SampleChanges(generating={0}, scoring={1}), repeated=False)

    assert list(await samples.ready(place)) == [0]
    assert await queued(samples, place) == [1, 2, 3]


async def test_results_may_be_written_again_when_it_is_said(subject: Subject) -> None:
    samples, place, _ = subject
    await samples.write(place, outputs(0), repeated=False)
    await samples.write(place, scores(0), repeated=False)

    await samples.write(place, outputs(0, 1), repeated=True)
    await samples.write(place, scores(0), repeated=True)

    assert list(await samples.ready(place)) == [1]


async def test_a_ready_sample_is_gradable_with_its_output(subject: Subject) -> None:
    samples, place, _ = subject
    await samples.write(place, outputs(0, 1), repeated=False)

    found = await samples.gradable(place, [1, 0])

    assert [(sample.sample_index, sample.output_text) for sample in found] == [(1, "1"), (0, "0")]
    assert all(sample.sample_id for sample in found)


async def test_a_lost_lease_writes_nothing(subject: Subject) -> None:
    samples, place, lost = subject

    async with lost():
        with pytest.raises(LeaseLost):
            await samples.write(place, outputs(0), repeated=False)

    assert await queued(samples, place) == [0, 1, 2]


async def test_a_group_starts_over_with_what_was_generated(subject: Subject) -> None:
    samples, place, _ = subject
    group = Shard(
        lease=place.lease,
        kind=ShardKind.AGGREGATE,
        task_ord=place.task_ord,
        model_ord=place.model_ord,
        from_index=0,
        to_index=SIZE,
    )
    await samples.write(place, outputs(0, 1, 2, failed=(3,)), repeated=False)
    await samples.write(group, scores(0, 1), repeated=False)
    await samples.add_group_metrics(group, b"{}")

    assert list(await samples.restart_group(group)) == [0, 1, 2]
    assert list(await samples.ready(group)) == [0, 1, 2]
