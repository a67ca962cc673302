"""What the tests of webhooks need: an orchestrator that answers, and receivers that misbehave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.usage import ModelUsage
from gateway.domain.webhook import Delivery, Webhook
from proctor.runs.v1 import run_pb2, run_service_pb2
from proctor.schedules.v1 import schedule_service_pb2
from servicekit.caller import outgoing_caller
from servicekit.errors import Kind, RemoteError

SCHEDULE_ID = "eval_schedule_1"
RECEIVERS = "127.0.42.0/24"
HOST = "127.0.42.1"


def delivery(number: int, *, team: str = "team") -> Delivery:
    return Delivery(
        id=f"event-{number:03}",
        org_id="org",
        team_id=team,
        schedule_id=SCHEDULE_ID,
        run_id=f"eval_run_{number}",
        body=b'{"type":"eval.run.completed"}',
    )


def run_in(state: "run_pb2.RunState.ValueType", run_id: str = "eval_run_1") -> run_pb2.Run:
    return run_pb2.Run(
        run_id=run_id, org_id="org", team_id="team", state=state, schedule_id=SCHEDULE_ID
    )


@dataclass
class FakeOrchestrator:
    """The parts of two services that webhooks ask."""

    webhook: Webhook | None = None
    runs: dict[str, run_pb2.Run] = field(default_factory=dict)
    away: bool = False
    teams: set[str] = field(default_factory=set)

    async def GetRun(
        self, question: run_service_pb2.GetRunRequest, **_: Any
    ) -> run_service_pb2.GetRunResponse:
        self._asked()
        if question.run_id not in self.runs:
            raise RemoteError("no such run", kind=Kind.NOT_FOUND, reason="RUN_NOT_FOUND")
        return run_service_pb2.GetRunResponse(run=self.runs[question.run_id])

    async def GetScheduleWebhook(
        self, question: schedule_service_pb2.GetScheduleWebhookRequest, **_: Any
    ) -> schedule_service_pb2.GetScheduleWebhookResponse:
        self._asked()
        if self.webhook is None or question.schedule_id != SCHEDULE_ID:
            raise RemoteError("none", kind=Kind.NOT_FOUND, reason="SCHEDULE_NOT_FOUND")
        return schedule_service_pb2.GetScheduleWebhookResponse(
            url=self.webhook.url or None, secret=self.webhook.secret
        )

    def _asked(self) -> None:
        self.teams.add(outgoing_caller().team_id)
        if self.away:
            raise RemoteError("away", kind=Kind.UNAVAILABLE, reason="UNAVAILABLE")


class NoUsage:
    """Graders that asked no model."""

    async def of_runs(self, run_ids: object) -> dict[str, dict[str, ModelUsage]]:
        del run_ids
        return {}


@dataclass
class RawReceiver:
    """A receiver that sends back any bytes, or nothing at all."""

    answer: bytes | None = b"HTTP/1.1 204 No Content\r\n\r\n"
    heads: list[bytes] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        try:
            if self.answer is None:
                await reader.read()  # until the client has had enough
            else:
                writer.write(self.answer)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(receiver: RawReceiver, *, host: str = HOST) -> AsyncIterator[RawReceiver]:
    server = await asyncio.start_server(receiver.serve, host, 0)
    receiver.url = f"http://{host}:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield receiver
