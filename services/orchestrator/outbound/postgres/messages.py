"""What is written to the outbox together with a change: work for workers, facts for subscribers."""

from collections.abc import Callable
from enum import StrEnum

import orjson
from google.protobuf.json_format import MessageToJson
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

# NATS takes 1 MiB; an event points to what is larger.
_EVENT_BYTES_MAX = 512 * 1024


class Fact(StrEnum):
    """What subscribers are told of a run."""

    QUEUED = "queued"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"


async def send_step(store: RawConnection, run_id: str, step: RunStep) -> None:
    """Ask for a worker for a step of a run."""
    await outbox.add(store, f"{WORK_RUN}.{step}", orjson.dumps({"run_id": run_id}))


async def send_shard(store: RawConnection, run_id: str, shard_no: int) -> None:
    """Ask for a worker for a shard."""
    await outbox.add(store, WORK_SHARD, orjson.dumps({"run_id": run_id, "shard_no": shard_no}))


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
        wire.ClearField("generation_json")
        wire.ClearField("metrics_json")
        event = RunEvent(run=wire, generation=_struct(run.request.generation_json))
        if run.metrics_json:
            event.metrics.CopyFrom(_struct(run.metrics_json))
        body = _json(event)
        if len(body) > _EVENT_BYTES_MAX:
            event.ClearField("metrics")
            event.ClearField("generation")
            body = _json(event)
        return body


def _json(event: RunEvent) -> bytes:
    return MessageToJson(event, preserving_proto_field_name=True, indent=None).encode()


def _struct(document: bytes) -> Struct:
    struct = Struct()
    struct.update(orjson.loads(document))
    return struct
