"""Tell webhooks what they are to be told, until they take it or an hour has passed."""

import asyncio

from gateway.domain.webhook import Delivery, pause_after
from gateway.ports import Deliveries, WebhookReceivers, WebhookSender
from servicekit.clock import Clock
from servicekit.errors import Kind, ServiceError
from servicekit.logs import bind_log_fields, get_logger

AT_ONCE = 100
DEFECT = "defect"  # a try that we failed ourselves
_AWAY = frozenset(
    {
        Kind.UNAVAILABLE,
        Kind.DEADLINE_EXCEEDED,
        Kind.ABORTED,
        Kind.CANCELLED,
        Kind.RESOURCE_EXHAUSTED,
    }
)

log = get_logger(__name__)


class DeliverWebhooks:
    """Looks every `period_s` for deliveries that are due; any number of replicas may do so."""

    def __init__(
        self,
        deliveries: Deliveries,
        receivers: WebhookReceivers,
        sender: WebhookSender,
        clock: Clock,
        *,
        period_s: float,
    ) -> None:
        self._deliveries = deliveries
        self._receivers = receivers
        self._sender = sender
        self._clock = clock
        self._period_s = period_s
        self._in_flight = 0

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._begin(tasks)
                await asyncio.sleep(self._period_s)

    async def _begin(self, tasks: asyncio.TaskGroup) -> None:
        free = AT_ONCE - self._in_flight
        if free == 0:
            return
        try:
            claimed = await self._deliveries.claim(limit=free)
        except ServiceError as error:
            log.warning("webhooks_not_looked_at", error=repr(error))
            return
        except Exception:
            log.exception("webhooks_not_looked_at")
            return
        for delivery in claimed:
            self._in_flight += 1
            tasks.create_task(self._deliver(delivery))

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            with bind_log_fields(
                delivery_id=delivery.id, schedule_id=delivery.schedule_id, run_id=delivery.run_id
            ):
                await self.deliver(delivery)
        except ServiceError as error:
            # The claim runs out, and then it is tried again.
            log.warning("webhook_not_tried", error=repr(error))
        except Exception:
            log.exception("webhook_not_tried")
        finally:
            self._in_flight -= 1

    async def deliver(self, delivery: Delivery) -> None:
        """Try once, and note what came of it; a defect of ours is a try that failed.

        Raises:
            ServiceError: our own parts are away; nothing was noted.
        """
        problem = await self._tried(delivery)
        pause = pause_after(delivery.attempts)
        if problem is None:
            await self._deliveries.done(delivery.id)
            log.info("webhook_gone")
        elif not problem:
            await self._deliveries.done(delivery.id)
            log.info("webhook_delivered", attempts=delivery.attempts)
        elif pause is None:
            await self._deliveries.done(delivery.id)
            log.warning("webhook_given_up", attempts=delivery.attempts, problem=problem)
        else:
            await self._deliveries.again(delivery.id, self._clock.utc_now() + pause)
            log.info("webhook_refused", attempts=delivery.attempts, problem=problem)

    async def _tried(self, delivery: Delivery) -> str | None:
        """Return why the receiver did not take it, an empty text when it did; None: it is gone."""
        try:
            webhook = await self._receivers.find(
                org_id=delivery.org_id, team_id=delivery.team_id, schedule_id=delivery.schedule_id
            )
            return None if webhook is None else await self._sender.send(delivery, webhook)
        except Exception as error:
            if isinstance(error, ServiceError) and error.kind in _AWAY:
                raise
            # Not counted, what always fails would be tried for ever.
            log.exception("webhook_try_failed", attempts=delivery.attempts)
            return DEFECT
