"""SampleAudioService over gRPC."""

from orchestrator.domain.agents.trajectory import SampleRef
from orchestrator.ports.stores import SampleAudio
from proctor.runs.v1 import sample_audio_service_pb2 as pb
from proctor.runs.v1.sample_audio_service_pb2_grpc import SampleAudioServiceServicer
from servicekit.caller import current_caller


class SampleAudioRpc(SampleAudioServiceServicer):
    """The audio of samples."""

    def __init__(self, audio: SampleAudio) -> None:
        self._audio = audio

    async def GetSampleAudio(
        self, request: pb.GetSampleAudioRequest, _context: object
    ) -> pb.GetSampleAudioResponse:
        """Get the audio of one sample."""
        ref = SampleRef(
            run_id=request.run_id,
            sample_index=request.sample_index,
            task_id=request.task_id,
            model=request.model,
        )
        found = await self._audio.get(current_caller(), ref)
        return pb.GetSampleAudioResponse(
            audio=found.audio,
            sample_index=ref.sample_index,
            task_id=found.task_id,
            model=found.model,
        )
