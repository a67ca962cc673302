"""GET and PUT /evals/runs/{run_id}/samples/{sample_index}/trajectory."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

import grpc.aio
from fastapi import APIRouter, Depends, Query, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.domain import scopes
from gateway.inbound.agents.trajectory_body import (
    SentTrajectory,
    TrajectoryBody,
    trajectory_body,
)
from gateway.inbound.resources.trajectories import (
    TrajectoryObject,
    TrajectoryUploaded,
    document_around,
    uploaded_object,
)
from gateway.inbound.rest.access import Access, CurrentCaller
from gateway.inbound.rest.bodies import described_body
from gateway.inbound.rest.operations import Operation, router_of
from gateway.inbound.sample_place import Index, TaskId
from proctor.runs.v1 import trajectory_service_pb2 as pb
from servicekit.caller import calling_as

if TYPE_CHECKING:  # these classes are in the stubs only
    from proctor.runs.v1.trajectory_service_pb2_grpc import TrajectoryServiceAsyncStub

# 16 MiB to the service and into its table.
TRANSFER_S = 60.0
_CHUNK_BYTES = 512 * 1024

_GetCall = grpc.aio.UnaryStreamCall[pb.GetTrajectoryRequest, pb.GetTrajectoryResponse]

Model = Annotated[
    str | None, Query(max_length=255, description="Needed when the index is in several models.")
]

_BODY = described_body(
    TrajectoryBody,
    {
        "schema_version": "ATIF-v1.7",
        "steps": [{"step_id": 1, "source": "user", "message": "Fix the parser."}],
        "logs": {"trial.log": "reward 1\n"},
    },
)
_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The trajectory, as it was sent.", "model": TrajectoryObject}
}


class TrajectoryRoutes:
    """Operations on trajectories, answered by the trajectory service."""

    def __init__(self, trajectories: "TrajectoryServiceAsyncStub", access: Access) -> None:
        self._trajectories = trajectories
        self._access = access

    def router(self) -> APIRouter:
        """The routes with their documentation."""
        one = "/evals/runs/{run_id}/samples/{sample_index}/trajectory"
        operations = (
            Operation(
                id="getEvalSampleTrajectory",
                method="GET",
                path=one,
                endpoint=self.get,
                scope=scopes.Scope.READ_EVALS,
                errors=(404,),
                responses=_STREAMED,
            ),
            Operation(
                id="uploadEvalSampleTrajectory",
                method="PUT",
                path=one,
                endpoint=self.put,
                scope=scopes.Scope.WRITE_EVALS,
                answer=TrajectoryUploaded,
                body=_BODY,
                errors=(404, 413),
            ),
        )
        return router_of("agents", operations, self._access)

    async def get(
        self,
        caller: CurrentCaller,
        run_id: str,
        sample_index: Index,
        task_id: TaskId = None,
        model: Model = None,
    ) -> Response:
        """Get what an agent did in a trial.

        Steps and logs come back byte by byte as they were sent. An index that several samples of
        the run have is refused with `sample_ambiguous`.
        """
        question = pb.GetTrajectoryRequest(sample=_ref(run_id, sample_index, task_id, model))
        with calling_as(caller):
            call = self._trajectories.GetTrajectory(question, timeout=TRANSFER_S)
        messages = aiter(call)
        first = await anext(messages)
        return _Download(call, messages, first.header)

    async def put(
        self,
        caller: CurrentCaller,
        run_id: str,
        sample_index: Index,
        body: Annotated[SentTrajectory, Depends(trajectory_body)],
        task_id: TaskId = None,
        model: Model = None,
    ) -> TrajectoryUploaded:
        """Store what an agent did in a trial.

        An earlier trajectory of the sample is replaced. `steps` may be anything; steps and logs are
        kept as they are sent, at most 16 MiB together. An index that several samples of the run
        have is refused with `sample_ambiguous`.
        """
        messages = _messages(_ref(run_id, sample_index, task_id, model), body)
        with calling_as(caller):
            stored = await self._trajectories.PutTrajectory(messages, timeout=TRANSFER_S)
        return uploaded_object(stored.trajectory)


class _Download(StreamingResponse):
    """Streams a trajectory; a client that hangs up ends the call to the service."""

    def __init__(
        self, call: _GetCall, messages: AsyncIterator[pb.GetTrajectoryResponse], head: pb.Trajectory
    ) -> None:
        around = document_around(head)
        length = sum(len(part) for part in around) + head.steps_bytes + head.logs_bytes
        super().__init__(
            _document(messages, head.steps_bytes, around),
            headers={"content-length": str(length)},
            media_type="application/json",
        )
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the trajectory."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._call.cancel()


async def _document(
    messages: AsyncIterator[pb.GetTrajectoryResponse],
    steps_bytes: int,
    around: tuple[bytes, bytes, bytes],
) -> AsyncIterator[bytes]:
    before, between, behind = around
    yield before
    left = steps_bytes
    async for message in messages:
        chunk = message.chunk
        if 0 < left <= len(chunk):
            yield chunk[:left] + between
            chunk = chunk[left:]
            left = 0
        else:
            left = max(0, left - len(chunk))
        yield chunk
    yield behind


async def _messages(
    ref: pb.SampleRef, body: SentTrajectory
) -> AsyncIterator[pb.PutTrajectoryRequest]:
    logs = body.logs_json
    yield pb.PutTrajectoryRequest(
        header=pb.Trajectory(
            sample=ref,
            schema_version=body.schema_version,
            step_count=body.step_count,
            steps_bytes=len(body.steps_json),
            logs_bytes=None if logs is None else len(logs),
        )
    )
    for document in (body.steps_json, logs or b""):
        for start in range(0, len(document), _CHUNK_BYTES):
            yield pb.PutTrajectoryRequest(chunk=document[start : start + _CHUNK_BYTES])


def _ref(run_id: str, sample_index: int, task_id: str | None, model: str | None) -> pb.SampleRef:
    return pb.SampleRef(
        run_id=run_id, sample_index=sample_index, task_id=task_id or "", model=model or ""
    )
