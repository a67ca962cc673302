"""From a run event on NATS to a signed POST, with crashes in between."""

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from eventbus.bus import Bus, StreamSpec
from gateway.domain.webhook import Webhook
from gateway.inbound.webhooks.event_loop import RunEventLoop
from gateway.inbound.webhooks.run_events import RunEvents
from gateway.outbound.webhooks.deliveries import PostgresDeliveries
from gateway.outbound.webhooks.receivers import ScheduleWebhooks, WebhookPosts
from gateway.usecases.deliver_webhooks import DeliverWebhooks
from integration.gateway.webhooks.hearing import (
    RECEIVERS,
    SCHEDULE_ID,
    FakeOrchestrator,
    NoUsage,
    RawReceiver,
    listening,
    run_in,
)
from pgstore.database import Database
from pgstore.migrations import upgrade
from proctor.runs.v1 import run_pb2
from servicekit.clock import SystemClock
from servicekit.public_web import PublicWeb

COMPLETED = run_pb2.RUN_STATE_COMPLETED

pytestmark = pytest.mark.timeout(120)


@dataclass
class Parts:
    """A gateway's part in webhooks, and what stands around it."""

    nats_url: str
    bus: Bus
    database: Database
    orchestrator: FakeOrchestrator
    receiver: RawReceiver
    web: PublicWeb

    async def publish(
        self, fact: str, number: int, *, schedule_id: str | None = SCHEDULE_ID
    ) -> None:
        run: dict[str, Any] = {"run_id": f"eval_run_{number}", "org_id": "org", "team_id": "team"}
        if schedule_id is not None:
            run["schedule_id"] = schedule_id
        headers = {"ce-id": f"event-{number}-{fact}", "ce-time": "2026-11-22T04:00:00Z"}
        subject = f"proctor.events.run.{fact}.v1.org.team"
        body = json.dumps({"run": run}).encode()
        await self.bus.publish(subject, body, message_id=headers["ce-id"], headers=headers)

    @asynccontextmanager
    async def events(self) -> AsyncIterator[None]:
        """Take events while the block runs."""
        stub: Any = self.orchestrator
        handler = RunEvents(stub, ScheduleWebhooks(stub), self._deliveries(), NoUsage())
        async with running(RunEventLoop(self.nats_url, handler)):
            yield

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Send what is due while the block runs."""
        stub: Any = self.orchestrator
        posts = WebhookPosts(self.web, schemes=("http",))
        deliver = DeliverWebhooks(
            self._deliveries(), ScheduleWebhooks(stub), posts, SystemClock(), period_s=0.05
        )
        async with running(deliver):
            yield

    async def noted(self) -> list[str]:
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT delivery_id FROM webhook_deliveries ORDER BY delivery_id"
            )
        return [row["delivery_id"] for row in rows]

    async def until_noted(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(await self.noted()) < count:
                await asyncio.sleep(0.02)

    async def until_told(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.receiver.heads) < count or await self.noted():
                await asyncio.sleep(0.02)

    async def until_taken(self) -> None:
        """Wait until nobody has an event of ours in hand, and none is left."""
        async with asyncio.timeout(60):
            while True:
                info = await self.bus.jetstream.consumer_info("EVENTS", "gateway-webhooks")
                if info.num_pending == 0 and info.num_ack_pending == 0:
                    return
                await asyncio.sleep(0.02)

    def _deliveries(self) -> PostgresDeliveries:
        return PostgresDeliveries(self.database, SystemClock())


@asynccontextmanager
async def running(loop: Any) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(loop.run())
        yield
        task.cancel()


@pytest.fixture
async def parts(postgres_dsn: str, nats_url: str) -> AsyncIterator[Parts]:
    package = "gateway.outbound.migrations.versions"
    await upgrade(postgres_dsn, schema="gateway", versions_package=package)
    stream = StreamSpec(name="EVENTS", subjects=("proctor.events.>",), kind="events")
    reachable = (ipaddress.ip_network(RECEIVERS),)
    async with (
        Database.connect(postgres_dsn, schema="gateway", pool_size=4) as database,
        Bus.connect(nats_url, name="test") as bus,
        PublicWeb.open(reachable=reachable) as web,
        listening(RawReceiver()) as receiver,
    ):
        await bus.ensure_stream(stream)
        orchestrator = FakeOrchestrator(webhook=Webhook(receiver.url, "secret"))
        orchestrator.runs = {
            f"eval_run_{number}": run_in(COMPLETED, f"eval_run_{number}") for number in range(9)
        }
        yield Parts(nats_url, bus, database, orchestrator, receiver, web)


async def test_an_end_of_a_run_of_a_schedule_is_told(parts: Parts) -> None:
    async with parts.events(), parts.telling():
        await parts.publish("completed", 1)
        await parts.until_told(1)

    assert parts.orchestrator.teams == {"team"}


async def test_other_facts_and_other_runs_are_not_told(parts: Parts) -> None:
    async with parts.events():
        await parts.publish("queued", 1)
        await parts.publish("started", 1)
        await parts.publish("completed", 2, schedule_id=None)
        await parts.publish("completed", 3, schedule_id="eval_schedule_gone")
        await parts.publish("completed", 99)  # deleted meanwhile
        parts.orchestrator.runs["eval_run_4"] = run_in(run_pb2.RUN_STATE_QUEUED, "eval_run_4")
        await parts.publish("completed", 4)  # put back to work meanwhile
        await parts.publish("completed", 5)
        await parts.until_noted(1)
        await parts.until_taken()

    assert await parts.noted() == ["event-5-completed"]


async def test_events_of_while_the_gateway_was_away_are_told(parts: Parts) -> None:
    async with parts.events():
        await parts.publish("completed", 1)
        await parts.until_noted(1)
    for number in (2, 3):
        await parts.publish("completed", number)

    async with parts.events(), parts.telling():
        await parts.until_told(3)


async def test_an_event_met_while_the_orchestrator_is_away_comes_again(parts: Parts) -> None:
    parts.orchestrator.away = True
    async with parts.events():
        await parts.publish("completed", 1)
        async with asyncio.timeout(30):
            while not parts.orchestrator.teams:
                await asyncio.sleep(0.02)
        parts.orchestrator.away = False

        await parts.until_noted(1)


async def test_a_process_that_dies_before_it_has_noted_an_event_loses_nothing(
    parts: Parts,
) -> None:
    async with parts.database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("LOCK TABLE webhook_deliveries")
        async with parts.events():
            await parts.publish("completed", 1)
            async with asyncio.timeout(30):
                while not parts.orchestrator.teams:
                    await asyncio.sleep(0.02)
        # It ended while it was writing.
        await transaction.rollback()
    assert await parts.noted() == []

    async with parts.events(), parts.telling():
        await parts.until_told(1)


async def test_a_webhook_that_was_cleared_is_not_called(parts: Parts) -> None:
    async with parts.events():
        await parts.publish("completed", 1)
        await parts.until_noted(1)
    parts.orchestrator.webhook = None

    async with parts.telling(), asyncio.timeout(30):
        while await parts.noted():
            await asyncio.sleep(0.02)

    assert parts.receiver.heads == []


async def test_a_new_secret_signs_what_is_sent_from_then_on(parts: Parts) -> None:
    async with parts.events():
        await parts.publish("completed", 1)
        await parts.until_noted(1)
    parts.orchestrator.webhook = Webhook(parts.receiver.url, None)

    async with parts.telling():
        await parts.until_told(1)

    assert b"X-Webhook-Signature" not in parts.receiver.heads[0]
