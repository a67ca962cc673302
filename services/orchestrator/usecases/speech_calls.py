"""What speech models are sent: the audio of one sample, and what is known of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import orjson

from manifest.generation import GenerationSettings
from orchestrator.domain.audio import Transcription
from orchestrator.domain.work import QueuedSample, ShardJob
from orchestrator.ports.stores import ShardSamples
from orchestrator.usecases.backoff import insist
from servicekit.caller import team_of
from servicekit.turns import Turns

# Audio has megabytes, of which a call holds a few copies: this many calls are what a process has
# memory for. Speech is slow, so few calls at once keep a provider busy.
CALLS_AT_ONCE = 32


class SpeechCalls:
    """Makes the bodies of transcription calls, so many at a time in this process."""

    def __init__(self, samples: ShardSamples) -> None:
        self._samples = samples
        self._turns = Turns(CALLS_AT_ONCE, patience_s=None)

    @asynccontextmanager
    async def body(
        self, job: ShardJob, sample: QueuedSample, settings: GenerationSettings
    ) -> AsyncIterator[bytes]:
        """A call's body for the bridge, JSON; its turn lasts as long as the block."""
        told = Transcription.of_json(job.transcription_json or b"{}")
        async with self._turns.place(team_of(job.run)):
            ask = partial(self._samples.audio, job.shard, sample.sample_index)
            body: dict[str, object] = {"model": job.model, "audio": await insist(ask)}
            if told.language is not None:
                body["language"] = told.language
            if told.prompted and sample.prompt:
                body["prompt"] = sample.prompt
            if settings.temperature is not None:
                body["temperature"] = settings.temperature
            yield orjson.dumps(body)
