"""GET /evals/runs/{run_id}/samples/{sample_index}/audio."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query

from gateway.domain.scopes import Scope
from gateway.inbound.resources.audio import SampleAudioObject, audio_object
from gateway.inbound.rest.access import Access, CurrentCaller
from gateway.inbound.rest.asking import ask
from gateway.inbound.rest.operations import Operation, router_of
from gateway.inbound.sample_place import Index, TaskId
from proctor.runs.v1 import sample_audio_service_pb2 as pb

if TYPE_CHECKING:  # these classes are in the stubs only
    from proctor.runs.v1.sample_audio_service_pb2_grpc import SampleAudioServiceAsyncStub

Model = Annotated[
    str | None, Query(max_length=255, description="The audio is the same for all models.")
]


class SampleAudioRoutes:
    """The operation on the audio of samples."""

    def __init__(self, audio: "SampleAudioServiceAsyncStub", access: Access) -> None:
        self._audio = audio
        self._access = access

    def router(self) -> APIRouter:
        """The route with its documentation."""
        operations = (
            Operation(
                id="getEvalSampleAudio",
                method="GET",
                path="/evals/runs/{run_id}/samples/{sample_index}/audio",
                endpoint=self.get,
                scope=Scope.READ_EVALS,
                answer=SampleAudioObject,
                errors=(404, 413),
            ),
        )
        return router_of("samples", operations, self._access)

    async def get(
        self,
        caller: CurrentCaller,
        run_id: str,
        sample_index: Index,
        task_id: TaskId = None,
        model: Model = None,
    ) -> SampleAudioObject:
        """Get the audio of a sample's row.

        It is the task's `audio_column`, else the first column that holds audio, whole: lists leave
        inline audio out. An index that several tasks of the run have is refused with
        `sample_ambiguous` unless `task_id` is given.
        """
        question = pb.GetSampleAudioRequest(
            run_id=run_id, sample_index=sample_index, task_id=task_id or "", model=model or ""
        )
        return audio_object(await ask(caller, self._audio.GetSampleAudio, question))
