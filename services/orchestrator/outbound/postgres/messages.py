"""What is written to the outbox together with a change: work for workers, facts for subscribers."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from orchestrator.domain.run import Run
from orchestrator.domain.work import RunStep
from pgstore import outbox
from pgstore.database import RawConnection
from proctor.events.v1.run_event_pb2 import RunEvent
from proctor.runs.v1 import run_pb2
from servicekit.clock import utc_now

WORK_RUN = "proctor.work.run"
WORK_SHARD = "proctor.work.shard"
EVENTS_RUN = "proctor.events.run"

_TEAM = "SELECT org_id || '/' || team_id FROM runs WHERE run_id = $1"

# NATS takes 1 MiB; GetRun has what an event leaves out.
EVENT_BYTES_MAX = 512 * 1024
# What the caller made large goes first; a member that is left out is not there at all.
_LEFT_OUT = (("metadata",), ("models", "task_ids"))
_ALWAYS_THERE = (
    "run_id",
    "org_id",
    "team_id",
    "state",
    "request_counts",
    "create_time",
    "schedule_id",
)


class Fact(StrEnum):
    """What subscribers are told of a run."""

    QUEUED = "queued"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


async def send_step(store: RawConnection, run_id: str, step: RunStep, *, team: str) -> None:
    """Ask for a worker for a step of a run; `team` is whose turn it takes, by its full name."""
    body = orjson.dumps({"run_id": run_id, "team": team})
    await outbox.add(store, f"{WORK_RUN}.{step}", body)


async def send_shard(store: RawConnection, run_id: str, shard_no: int, *, team: str) -> None:
    """Ask for a worker for a shard; `team` is whose turn it takes, by its full name."""
    body = orjson.dumps({"run_id": run_id, "shard_no": shard_no, "team": team})
    await outbox.add(store, WORK_SHARD, body)


async def read_team(store: RawConnection, run_id: str) -> str:
    """Return the full name of the team of a run that is known to be there."""
    team: str = await store.fetchval(_TEAM, run_id)
    return team


class RunAnnouncer:
    """Writes run events; `to_wire` is the one translation of a run into its message."""

    def __init__(self, to_wire: Callable[[Run], run_pb2.Run]) -> None:
        self._to_wire = to_wire

    async def announce(self, store: RawConnection, fact: Fact, run: Run) -> None:
        """Write a CloudEvent (binary mode); the relay adds its id, which is the message's."""
        headers = {
            "ce-specversion": "1.0",
            "ce-type": f"proctor.run.{fact}.v1",
            "ce-source": "/proctor/orchestrator",
            "ce-subject": run.id,
            "ce-time": utc_now().isoformat().replace("+00:00", "Z"),
            "content-type": "application/json",
        }
        subject = f"{EVENTS_RUN}.{fact}.v1.{run.org_id}.{run.team_id}"
        await outbox.add(store, subject, self._body(run), headers)

    def _body(self, run: Run) -> bytes:
        wire = self._to_wire(run)
        event = RunEvent(run=wire, generation=_struct(run.request.generation_json))
        if run.metrics_json:
            event.metrics.CopyFrom(_struct(run.metrics_json))
        return _bounded(_document(event))


def _document(event: RunEvent) -> dict[str, Any]:
    # A count of 0 is a fact, too: fields without presence are always written.
    document = MessageToDict(
        event, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    for elsewhere in ("generation_json", "metrics_json"):
        del document["run"][elsewhere]
    return document


def _bounded(document: dict[str, Any]) -> bytes:
    body = orjson.dumps(document)
    if len(body) <= EVENT_BYTES_MAX:
        return body
    run = dict(document["run"])
    for names in ((), *_LEFT_OUT):
        for name in names:
            del run[name]
        body = orjson.dumps({"run": run})
        if len(body) <= EVENT_BYTES_MAX:
            return body
    return orjson.dumps({"run": {name: run[name] for name in _ALWAYS_THERE if name in run}})


def _struct(document: bytes) -> Struct:
    struct = Struct()
    struct.update(orjson.loads(document))
    return struct
