"""The audio of samples as the orchestrator would answer for it."""

from proctor.runs.v1 import sample_audio_service_pb2 as pb
from proctor.runs.v1.sample_audio_service_pb2_grpc import SampleAudioServiceServicer
from servicekit.errors import ServiceError


class FakeAudio(SampleAudioServiceServicer):
    """Answers with `audio`, or refuses with `refusal`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.audio = "https://audio.example.com/1.wav"
        self.refusal: ServiceError | None = None
        self.asked: list[pb.GetSampleAudioRequest] = []

    async def GetSampleAudio(
        self, request: pb.GetSampleAudioRequest, context: object
    ) -> pb.GetSampleAudioResponse:
        self.asked.append(request)
        if self.refusal is not None:
            raise self.refusal
        return pb.GetSampleAudioResponse(
            audio=self.audio, sample_index=request.sample_index, task_id="speech", model="ears"
        )
