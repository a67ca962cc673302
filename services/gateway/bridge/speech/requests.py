"""Recordings on their way to upstreams: found, turned into requests, so many at a time."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gateway.bridge.adapters.transcription import transcription_request
from gateway.bridge.call import invalid_request
from gateway.bridge.catalogue import Route
from gateway.bridge.sending import Sent
from gateway.bridge.speech.fetching import Recordings
from gateway.bridge.speech.recording import Recording, read_data_uri
from servicekit.turns import Turns


class SpeechRequests:
    """Makes requests of calls whose body names a recording.

    Args:
        recordings: Fetches those that are named by URL.
        at_once: How many this process holds at a time, each up to 50 MiB with its form; teams take
            turns.
    """

    def __init__(self, recordings: Recordings, *, at_once: int) -> None:
        self._recordings = recordings
        # What a recording takes of the memory is taken for sure: nobody gets one more.
        self._turns = Turns(at_once, patience_s=None)

    @asynccontextmanager
    async def request(
        self, body: Mapping[str, object], route: Route, *, team: str, timeout_s: float
    ) -> AsyncIterator[Sent]:
        """The request for a call's body; its turn lasts as long as the block.

        Raises:
            CallFailed: `invalid_request`, or the recording cannot be had or used.
        """
        async with self._turns.place(team):
            recording = await self._recording(body.get("audio"), timeout_s=timeout_s)
            yield transcription_request(body, route, recording)

    async def _recording(self, audio: object, *, timeout_s: float) -> Recording:
        if not isinstance(audio, str):
            raise invalid_request("audio must be a data: URI or an http(s) URL")
        if audio[:5].lower() == "data:":
            return read_data_uri(audio)
        return await self._recordings.fetch(audio, timeout_s=timeout_s)
