"""A results file on this machine's disk for as long as it is read."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import IO, TypeVar

from importer.domain.harness.lines import LineReader
from importer.domain.harness.samples import FilteredScores, HarnessSample, SampleMaker
from importer.domain.harness.spooling import Unpacker
from importer.domain.harness.survey import ROWS_MAX, Survey

# About 10 ms of parsing in a thread; the event loop gets its turns in between.
STEP_BYTES = 512 * 1024
STEP_ROWS = 1_000

Made = TypeVar("Made")


class NotAsItBegan(Exception):
    """The rest of a file cannot be read as its beginning suggested: survey it first."""


class Steps:
    """Reads a file from its start, some hundred lines at a time, in a thread.

    What samples are made of one step is held at once, so a step ends after so many rows, too.
    """

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool
        self._reader = LineReader()
        self._values: Iterator[object] = iter(())
        self._ended = False
        spool.seek(0)

    async def next(self, look: Callable[[object], Made]) -> list[Made] | None:
        """Return what `look` makes of the value of each line; None behind the end."""
        return await asyncio.to_thread(self._read, look)

    def _read(self, look: Callable[[object], Made]) -> list[Made] | None:
        made = [look(value) for value in islice(self._values, STEP_ROWS)]
        if made:
            return made
        if self._ended:
            return None
        chunk = self._spool.read(STEP_BYTES)
        self._ended = not chunk
        self._values = self._reader.feed(chunk) if chunk else self._reader.end()
        return [look(value) for value in islice(self._values, STEP_ROWS)]


class ResultsFile:
    """A samples file, unpacked and readable as often as needed; use `spooled`."""

    def __init__(self, spool: IO[bytes], *, sha256: str) -> None:
        self._spool = spool
        self.sha256 = sha256

    def steps(self) -> Steps:
        """Begin to read; one reader at a time."""
        return Steps(self._spool)

    async def survey(self) -> Survey:
        """Look through the file once; stops behind as many rows as a run may have."""
        survey, steps = Survey(), self.steps()
        while survey.rows <= ROWS_MAX and await steps.next(survey.add) is not None:
            pass
        return survey

    async def samples(self, survey: Survey) -> AsyncGenerator[list[HarnessSample], None]:
        """Yield the samples in batches, no more at once than about a step of the file holds."""
        filtered = None
        if len(survey.filters) > 1:
            filtered, steps = FilteredScores(survey), self.steps()
            while await steps.next(filtered.add) is not None:
                pass
        maker, steps = SampleMaker(survey, filtered), self.steps()
        while (made := await steps.next(maker.make)) is not None:
            if samples := _found(made):
                yield samples


class SingleReading:
    """A samples file read only once, as if all of it were like its beginning.

    Most files are: one filter, and the same metrics in all rows. To survey a file first would take
    a fifth of the time of its import.

    Attributes:
        survey: of what was read so far; of the whole file when all samples were yielded.
    """

    def __init__(self, file: ResultsFile) -> None:
        self.survey = Survey()
        self._steps = file.steps()
        self._beginning: list[object] = []

    async def begin(self) -> None:
        """Read the first step.

        Raises:
            NotAsItBegan: a survey of the whole file is needed.
        """
        self._beginning = await self._steps.next(self._surveyed) or []
        if not self.survey.has_one_filter or self.survey.first is None:
            raise NotAsItBegan

    async def samples(self) -> AsyncGenerator[list[HarnessSample], None]:
        """Yield the samples in batches; `begin` comes before.

        Raises:
            NotAsItBegan: what was yielded may be wrong, or is more than a run may have.
        """
        survey = self.survey
        canonical, uses_ids = survey.canonical, survey.uses_ids
        maker = SampleMaker(survey, None)

        def make(value: object) -> HarnessSample | None:
            survey.add(value)
            if not survey.has_one_filter or survey.uses_ids != uses_ids:
                raise NotAsItBegan
            return maker.make(value)

        yield _found(await asyncio.to_thread(list, map(maker.make, self._beginning)))
        self._beginning = []
        while (made := await self._steps.next(make)) is not None:
            if survey.canonical != canonical or survey.rows > ROWS_MAX:
                raise NotAsItBegan
            if samples := _found(made):
                yield samples
        if survey.is_mostly_broken:
            raise NotAsItBegan

    def _surveyed(self, value: object) -> object:
        self.survey.add(value)
        return value


def _found(made: Sequence[HarnessSample | None]) -> list[HarnessSample]:
    return [sample for sample in made if sample is not None]


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
