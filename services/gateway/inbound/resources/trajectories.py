"""Trajectory objects."""

from typing import Any, Literal

import orjson
from pydantic import Field

from gateway.inbound.resources.resource import Resource
from proctor.runs.v1 import trajectory_service_pb2 as pb


class TrajectoryUploaded(Resource):
    """A trajectory that was stored."""

    object: Literal["eval.sample.trajectory.uploaded"] = "eval.sample.trajectory.uploaded"
    run_id: str
    sample_index: int
    task_id: str
    model: str
    step_count: int
    size_bytes: int = Field(description="Of steps and logs, as they are stored.")


class TrajectoryObject(Resource):
    """What an agent did in a trial."""

    object: Literal["eval.sample.trajectory"] = "eval.sample.trajectory"
    run_id: str
    sample_index: int
    task_id: str
    model: str
    step_count: int
    size_bytes: int
    schema_version: str
    steps: list[Any] = Field(description="As they were sent.")
    logs: dict[str, str] | None


def uploaded_object(trajectory: pb.Trajectory) -> TrajectoryUploaded:
    """The answer to an upload."""
    return TrajectoryUploaded(**_common(trajectory))


def document_around(trajectory: pb.Trajectory) -> tuple[bytes, bytes, bytes]:
    """What stands before the steps, between steps and logs, and behind them in the answer.

    Steps and logs are never parsed on their way: they come back byte by byte.
    """
    known = {
        "object": "eval.sample.trajectory",
        **_common(trajectory),
        "schema_version": trajectory.schema_version,
    }
    logged = trajectory.HasField("logs_bytes")
    return orjson.dumps(known)[:-1] + b',"steps":', b',"logs":', b"}" if logged else b"null}"


def _common(trajectory: pb.Trajectory) -> dict[str, Any]:
    sample = trajectory.sample
    return {
        "run_id": sample.run_id,
        "sample_index": sample.sample_index,
        "task_id": sample.task_id,
        "model": sample.model,
        "step_count": trajectory.step_count,
        "size_bytes": trajectory.steps_bytes + trajectory.logs_bytes,
    }
