"""TrajectoryService over gRPC."""

from collections.abc import AsyncIterator

from orchestrator.domain.agents.trajectory import (
    TRAJECTORY_BYTES_MAX,
    SampleRef,
    Trajectory,
    TrajectoryTooLarge,
    UploadIncomplete,
)
from orchestrator.ports.agents import Trajectories
from proctor.runs.v1 import trajectory_service_pb2 as pb
from proctor.runs.v1.trajectory_service_pb2_grpc import TrajectoryServiceServicer
from servicekit.caller import current_caller

_CHUNK_BYTES = 1024 * 1024


class TrajectoriesRpc(TrajectoryServiceServicer):
    """Trajectories of samples; each is held in memory as a whole, at most 16 MiB."""

    def __init__(self, trajectories: Trajectories) -> None:
        self._trajectories = trajectories

    async def PutTrajectory(
        self, request_iterator: AsyncIterator[pb.PutTrajectoryRequest], _context: object
    ) -> pb.PutTrajectoryResponse:
        """Store a trajectory."""
        header, content = await _received(request_iterator)
        trajectory = _trajectory(header, content)
        found = await self._trajectories.put(current_caller(), _ref(header.sample), trajectory)
        return pb.PutTrajectoryResponse(trajectory=_header(found, trajectory))

    async def GetTrajectory(
        self, request: pb.GetTrajectoryRequest, _context: object
    ) -> AsyncIterator[pb.GetTrajectoryResponse]:
        """Stream a trajectory."""
        found, trajectory = await self._trajectories.get(current_caller(), _ref(request.sample))
        yield pb.GetTrajectoryResponse(header=_header(found, trajectory))
        for document in (trajectory.steps_json, trajectory.logs_json or b""):
            for start in range(0, len(document), _CHUNK_BYTES):
                yield pb.GetTrajectoryResponse(chunk=document[start : start + _CHUNK_BYTES])


async def _received(
    requests: AsyncIterator[pb.PutTrajectoryRequest],
) -> tuple[pb.Trajectory, bytes]:
    """Read an upload to its end: a client that is refused in its middle may not hear why."""
    header, content, size_bytes = pb.Trajectory(), bytearray(), 0
    async for request in requests:
        if request.HasField("header"):
            header = request.header
        size_bytes += len(request.chunk)
        if size_bytes <= TRAJECTORY_BYTES_MAX:
            content += request.chunk
    if size_bytes > TRAJECTORY_BYTES_MAX:
        raise TrajectoryTooLarge
    return header, bytes(content)


def _trajectory(header: pb.Trajectory, content: bytes) -> Trajectory:
    logged = header.HasField("logs_bytes")
    expected = header.steps_bytes + (header.logs_bytes if logged else 0)
    if not header.steps_bytes or len(content) != expected:
        message = f"{len(content)} bytes came, {expected} were announced"
        raise UploadIncomplete(message, expected_bytes=expected, received_bytes=len(content))
    return Trajectory(
        schema_version=header.schema_version,
        step_count=header.step_count,
        steps_json=content[: header.steps_bytes],
        logs_json=content[header.steps_bytes :] if logged else None,
    )


def _ref(sample: pb.SampleRef) -> SampleRef:
    return SampleRef(
        run_id=sample.run_id,
        sample_index=sample.sample_index,
        task_id=sample.task_id,
        model=sample.model,
    )


def _header(found: SampleRef, trajectory: Trajectory) -> pb.Trajectory:
    logs = trajectory.logs_json
    return pb.Trajectory(
        sample=pb.SampleRef(
            run_id=found.run_id,
            sample_index=found.sample_index,
            task_id=found.task_id,
            model=found.model,
        ),
        schema_version=trajectory.schema_version,
        step_count=trajectory.step_count,
        steps_bytes=len(trajectory.steps_json),
        logs_bytes=None if logs is None else len(logs),
    )
