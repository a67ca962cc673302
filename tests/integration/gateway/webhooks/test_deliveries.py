"""What is still to be told, in Postgres."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gateway.outbound.webhooks.deliveries import CLAIM, TEAM_AT_ONCE, PostgresDeliveries
from integration.gateway.webhooks.hearing import delivery
from pgstore.database import Database
from pgstore.migrations import upgrade
from unit.gateway.backend.clock import StillClock


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
async def deliveries(postgres_dsn: str, clock: StillClock) -> AsyncIterator[PostgresDeliveries]:
    package = "gateway.outbound.migrations.versions"
    await upgrade(postgres_dsn, schema="gateway", versions_package=package)
    async with Database.connect(postgres_dsn, schema="gateway", pool_size=4) as database:
        yield PostgresDeliveries(database, clock)


async def test_a_delivery_is_claimed_as_it_was_added(deliveries: PostgresDeliveries) -> None:
    await deliveries.add(delivery(1))
    await deliveries.add(delivery(1))

    (claimed,) = await deliveries.claim(limit=10)

    assert (claimed.id, claimed.body, claimed.attempts) == ("event-001", delivery(1).body, 1)
    assert await deliveries.claim(limit=10) == []


async def test_what_a_dead_process_claimed_comes_back(
    deliveries: PostgresDeliveries, clock: StillClock
) -> None:
    await deliveries.add(delivery(1))
    await deliveries.claim(limit=10)

    clock.turn(CLAIM.total_seconds() + 1)

    (claimed,) = await deliveries.claim(limit=10)
    assert claimed.attempts == 2


async def test_a_failed_try_waits_for_its_time(
    deliveries: PostgresDeliveries, clock: StillClock
) -> None:
    await deliveries.add(delivery(1))
    (claimed,) = await deliveries.claim(limit=10)
    await deliveries.again(claimed.id, clock.utc_now() + timedelta(seconds=30))

    clock.turn(29)
    assert await deliveries.claim(limit=10) == []
    clock.turn(2)
    assert [entry.attempts for entry in await deliveries.claim(limit=10)] == [2]


async def test_what_is_done_is_forgotten(deliveries: PostgresDeliveries, clock: StillClock) -> None:
    await deliveries.add(delivery(1))
    (claimed,) = await deliveries.claim(limit=10)
    await deliveries.done(claimed.id)

    clock.turn(86_400)
    assert await deliveries.claim(limit=10) == []


async def test_a_team_with_many_holds_up_no_other(deliveries: PostgresDeliveries) -> None:
    for number in range(20):
        await deliveries.add(delivery(number, team="loud"))
    await deliveries.add(delivery(99, team="quiet"))

    first = await deliveries.claim(limit=100)
    second = await deliveries.claim(limit=100)

    teams = [entry.team_id for entry in first]
    assert sorted(teams) == ["loud"] * TEAM_AT_ONCE + ["quiet"]
    assert second == []
    await deliveries.done(next(entry.id for entry in first if entry.team_id == "loud"))
    assert [entry.team_id for entry in await deliveries.claim(limit=100)] == ["loud"]


async def test_two_replicas_never_get_the_same_one(deliveries: PostgresDeliveries) -> None:
    for number in range(24):
        await deliveries.add(delivery(number, team=f"team-{number % 12}"))

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(deliveries.claim(limit=24)) for _ in range(4)]

    claimed = [entry.id for task in asked for entry in task.result()]
    assert len(claimed) == len(set(claimed))
    assert len(claimed) == 24
