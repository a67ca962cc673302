import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from gateway.domain.webhook import ATTEMPTS_MAX, Delivery, Webhook
from gateway.usecases.deliver_webhooks import DeliverWebhooks
from servicekit.errors import Kind, RemoteError, ServiceError
from unit.gateway.backend.clock import StillClock

WEBHOOK = Webhook("https://example.org", "secret")
DELIVERY = Delivery(
    id="event-1",
    org_id="org",
    team_id="team",
    schedule_id="eval_schedule_1",
    run_id="eval_run_1",
    body=b"{}",
    attempts=1,
)


class Away(ServiceError):
    """The orchestrator is not there."""

    kind = Kind.UNAVAILABLE
    reason = "AWAY"


@dataclass
class MemoryDeliveries:
    """Deliveries of one process."""

    waiting: dict[str, datetime | None] = field(default_factory=lambda: {DELIVERY.id: None})
    due: list[Delivery] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def add(self, delivery: Delivery) -> None:
        self.waiting[delivery.id] = None

    async def claim(self, *, limit: int) -> Sequence[Delivery]:
        claimed, self.due = self.due[:limit], self.due[limit:]
        return claimed

    async def again(self, delivery_id: str, at: datetime) -> None:
        self.waiting[delivery_id] = at
        self.changed.set()

    async def done(self, delivery_id: str) -> None:
        del self.waiting[delivery_id]
        self.changed.set()


@dataclass
class World:
    """Who is told, and what comes of it."""

    webhook: Webhook | None = WEBHOOK
    problem: str = ""
    failure: Exception | None = None
    broken: frozenset[str] = frozenset()
    sent: list[tuple[Delivery, Webhook]] = field(default_factory=list)

    async def find(self, *, org_id: str, team_id: str, schedule_id: str) -> Webhook | None:
        assert (org_id, team_id, schedule_id) == ("org", "team", "eval_schedule_1")
        if self.failure is not None:
            raise self.failure
        return self.webhook

    async def send(self, delivery: Delivery, webhook: Webhook) -> str:
        if delivery.id in self.broken:
            raise RuntimeError("a defect")
        self.sent.append((delivery, webhook))
        return self.problem


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def deliveries() -> MemoryDeliveries:
    return MemoryDeliveries()


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def deliver(world: World, deliveries: MemoryDeliveries, clock: StillClock) -> DeliverWebhooks:
    return DeliverWebhooks(deliveries, world, world, clock, period_s=1)


async def test_what_was_taken_is_forgotten(
    deliver: DeliverWebhooks, world: World, deliveries: MemoryDeliveries
) -> None:
    await deliver.deliver(DELIVERY)

    assert world.sent == [(DELIVERY, WEBHOOK)]
    assert deliveries.waiting == {}


@pytest.mark.parametrize(("attempts", "pause_s"), [(1, 10), (2, 30), (7, 1800)])
async def test_what_was_refused_waits_ever_longer(
    deliver: DeliverWebhooks,
    world: World,
    deliveries: MemoryDeliveries,
    clock: StillClock,
    attempts: int,
    pause_s: int,
) -> None:
    world.problem = "status_500"

    await deliver.deliver(replace(DELIVERY, attempts=attempts))

    assert deliveries.waiting == {DELIVERY.id: clock.utc_now() + timedelta(seconds=pause_s)}


async def test_what_was_refused_often_is_given_up(
    deliver: DeliverWebhooks, world: World, deliveries: MemoryDeliveries
) -> None:
    world.problem = "timeout"

    await deliver.deliver(replace(DELIVERY, attempts=ATTEMPTS_MAX))

    assert deliveries.waiting == {}


async def test_what_has_no_webhook_any_more_is_not_sent(
    deliver: DeliverWebhooks, world: World, deliveries: MemoryDeliveries
) -> None:
    world.webhook = None

    await deliver.deliver(DELIVERY)

    assert world.sent == []
    assert deliveries.waiting == {}


async def test_our_own_trouble_takes_nothing_away(
    deliver: DeliverWebhooks, world: World, deliveries: MemoryDeliveries
) -> None:
    world.failure = Away("away")

    with pytest.raises(Away):
        await deliver.deliver(DELIVERY)

    assert deliveries.waiting == {DELIVERY.id: None}


@pytest.mark.parametrize(
    "defect",
    [
        RuntimeError("a defect"),
        RemoteError("a defect", kind=Kind.INTERNAL, reason="INTERNAL"),
    ],
    ids=["ours", "behind us"],
)
async def test_a_defect_is_a_try_that_failed_and_the_last_one_ends_it(
    deliver: DeliverWebhooks,
    world: World,
    deliveries: MemoryDeliveries,
    clock: StillClock,
    defect: Exception,
) -> None:
    world.failure = defect

    await deliver.deliver(DELIVERY)
    assert deliveries.waiting == {DELIVERY.id: clock.utc_now() + timedelta(seconds=10)}

    await deliver.deliver(replace(DELIVERY, attempts=ATTEMPTS_MAX))
    assert deliveries.waiting == {}


async def test_a_delivery_that_we_cannot_send_holds_up_no_other(
    deliver: DeliverWebhooks, world: World, deliveries: MemoryDeliveries
) -> None:
    bad, good = replace(DELIVERY, id="bad", attempts=ATTEMPTS_MAX), replace(DELIVERY, id="good")
    deliveries.waiting, deliveries.due = {"bad": None, "good": None}, [bad, good]
    world.broken = frozenset({"bad"})

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(deliver.run())
        while deliveries.waiting:
            deliveries.changed.clear()
            await deliveries.changed.wait()
        running.cancel()

    assert world.sent == [(good, WEBHOOK)]
