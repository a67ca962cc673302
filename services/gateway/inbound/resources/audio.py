"""The audio of a sample."""

from typing import Literal

from pydantic import Field

from gateway.inbound.resources.resource import Resource
from proctor.runs.v1 import sample_audio_service_pb2 as pb


class SampleAudioObject(Resource):
    """The audio of a sample's row."""

    object: Literal["eval.sample.audio"] = "eval.sample.audio"
    audio: str = Field(description="A base64 `data:` URI or an http(s) URL.")
    sample_index: int
    task_id: str
    model: str


def audio_object(answer: pb.GetSampleAudioResponse) -> SampleAudioObject:
    """The REST object of a sample's audio."""
    return SampleAudioObject(
        audio=answer.audio,
        sample_index=answer.sample_index,
        task_id=answer.task_id,
        model=answer.model,
    )
