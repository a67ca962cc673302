"""A results file on this machine's disk for as long as it is read."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import IO, TypeVar

from importer.domain.harness.lines import LineReader
from importer.domain.harness.samples import FilteredScores, HarnessSample, SampleMaker
from importer.domain.harness.spooling import Unpacker
from importer.domain.harness.survey import ROWS_MAX, Survey

# About 10 ms of parsing in a thread; the event loop gets its turns in between.
STEP_BYTES = 512 * 1024

Made = TypeVar("Made")


class ResultsFile:
    """A samples file, unpacked and readable as often as needed; use `spooled`."""

    def __init__(self, spool: IO[bytes], *, sha256: str) -> None:
        self._spool = spool
        self.sha256 = sha256

    async def survey(self) -> Survey:
        """Look through the file once; stops behind as many rows as a run may have."""
        survey = Survey()
        async for _ in self._each(survey.add):
            if survey.rows > ROWS_MAX:
                break
        return survey

    async def samples(self, survey: Survey) -> AsyncGenerator[list[HarnessSample], None]:
        """Yield the samples in batches, no more at once than about a step of the file holds."""
        filtered = FilteredScores(survey) if len(survey.filters) > 1 else None
        if filtered is not None:
            async for _ in self._each(filtered.add):
                pass
        maker = SampleMaker(survey, filtered)
        async for batch in self._each(maker.make):
            samples = [sample for sample in batch if sample is not None]
            if samples:
                yield samples

    async def _each(self, look: Callable[[object], Made]) -> AsyncIterator[list[Made]]:
        reader = LineReader()
        self._spool.seek(0)

        def step() -> tuple[bool, list[Made]]:
            chunk = self._spool.read(STEP_BYTES)
            values = reader.feed(chunk) if chunk else reader.end()
            return bool(chunk), [look(value) for value in values]

        goes_on = True
        while goes_on:
            goes_on, made = await asyncio.to_thread(step)
            yield made


@asynccontextmanager
async def spooled(
    path: str, chunks: AsyncIterator[bytes], *, bytes_max: int
) -> AsyncIterator[ResultsFile]:
    """Keep a file in a nameless one that goes with the block, also when the process dies.

    Raises:
        TooLarge: it has more than `bytes_max`, packed or unpacked.
        NotReadable: it is packed and broken.
    """
    unpacker = Unpacker(path, bytes_max=bytes_max)
    with tempfile.TemporaryFile(prefix="proctor-import-") as spool:

        def keep(chunk: bytes) -> None:
            for part in unpacker.feed(chunk):
                spool.write(part)

        async for chunk in chunks:
            await asyncio.to_thread(keep, chunk)
        unpacker.end()
        yield ResultsFile(spool, sha256=unpacker.sha256)
