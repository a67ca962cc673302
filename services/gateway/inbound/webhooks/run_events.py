"""Run events: of each run of a schedule that ended, its webhook is to be told."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from eventbus.consumer import Delivery as Message
from gateway.domain.webhook import Delivery, body_of
from gateway.inbound.resources.runs import run_object
from gateway.inbound.rest.asking import WRITE_S, ask
from gateway.ports import Deliveries, GraderUsage, WebhookReceivers
from proctor.runs.v1 import run_service_pb2 as pb
from servicekit.caller import Caller
from servicekit.errors import Kind, RemoteError
from servicekit.logs import get_logger

if TYPE_CHECKING:  # this class is in the stubs only
    from proctor.runs.v1.run_service_pb2_grpc import RunServiceAsyncStub

_TOLD = frozenset({"completed", "failed", "cancelled"})
_FACT_AT = 3  # proctor.events.run.<fact>.v1.<org>.<team>

log = get_logger(__name__)


class RunEvents:
    """Notes what webhooks are to be told; a message may come twice.

    Args:
        runs: The run service: an event has no metrics to speak of, a webhook is told all.
        receivers: Who is told.
        deliveries: Where it is noted.
        grader_usage: What graders asked models.
    """

    def __init__(
        self,
        runs: "RunServiceAsyncStub",
        receivers: WebhookReceivers,
        deliveries: Deliveries,
        grader_usage: GraderUsage,
    ) -> None:
        self._runs = runs
        self._receivers = receivers
        self._deliveries = deliveries
        self._grader_usage = grader_usage

    async def handle(self, message: Message) -> None:
        """Note the delivery of an event, if somebody is to be told of it.

        Raises:
            ServiceError: a part of ours is away; the message comes again.
        """
        fact = message.subject.split(".")[_FACT_AT]
        if fact not in _TOLD:
            return
        run: Mapping[str, Any] = orjson.loads(message.payload)["run"]
        schedule_id = run.get("schedule_id")
        if not schedule_id:
            return
        owner = {"org_id": run["org_id"], "team_id": run["team_id"]}
        if await self._receivers.find(**owner, schedule_id=schedule_id) is None:
            return
        told = await self._told(Caller(**owner), run["run_id"], fact)
        if told is None:
            return
        delivery = Delivery(
            id=message.headers["ce-id"],
            **owner,
            schedule_id=schedule_id,
            run_id=run["run_id"],
            body=body_of(
                fact, happened_at=datetime.fromisoformat(message.headers["ce-time"]), run=told
            ),
        )
        await self._deliveries.add(delivery)

    async def _told(self, caller: Caller, run_id: str, fact: str) -> dict[str, Any] | None:
        """Return the run as REST shows it; None when there is nothing to tell any more."""
        question = pb.GetRunRequest(run_id=run_id)
        try:
            answer = await ask(caller, self._runs.GetRun, question, timeout_s=WRITE_S)
        except RemoteError as error:
            if error.kind is Kind.NOT_FOUND:
                return None
            raise
        usage = await self._grader_usage.of_runs([run_id])
        shown = run_object(answer.run, usage.get(run_id, {})).model_dump(mode="json")
        # Put back to work meanwhile: it ends again, and that is told.
        return shown if shown["status"] == fact else None
