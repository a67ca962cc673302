"""Make runs of files: each is fetched, read, mapped and staged."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from importer.domain.harness import origin as origins
from importer.domain.harness.samples import HarnessSample
from importer.domain.harness.spooling import NotReadable, TooLarge
from importer.domain.harness.survey import ROWS_MAX, Survey
from importer.domain.history import Skipped, StagedRun, TooManyTasks
from importer.usecases.history_ports import RunHistory
from importer.usecases.import_work import ImportWork
from importer.usecases.results_file import NotAsItBegan, ResultsFile, SingleReading, spooled
from servicekit.causes import causes
from servicekit.clock import Clock
from servicekit.ids import new_id

FILES_AHEAD = 4


class TakeFiles:
    """Takes files, one after the other; the next few are fetched meanwhile.

    Args:
        history: keeps the runs.
        clock: tells now, for files that do not tell their time.
        file_bytes_max: a larger file is skipped.
    """

    def __init__(self, history: RunHistory, clock: Clock, *, file_bytes_max: int) -> None:
        self._history = history
        self._clock = clock
        self._file_bytes_max = file_bytes_max

    async def __call__(self, work: ImportWork, paths: Sequence[str]) -> None:
        """Note in `work` what becomes of each file, in their order.

        At most `FILES_AHEAD` of them are on this machine's disk at a time.

        Raises:
            TooManyTasks: a version would have more than 100 tasks.
            ServiceError: what the source or the keeper of runs refuses with.
        """
        ahead = asyncio.Semaphore(FILES_AHEAD)
        turn = asyncio.Event()
        turn.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                for path in paths:
                    done = asyncio.Event()
                    tasks.create_task(self._take_in_turn(work, path, ahead, turn, done))
                    turn = done
        except ExceptionGroup as errors:
            raise next(causes(errors)) from errors

    async def _take_in_turn(
        self,
        work: ImportWork,
        path: str,
        ahead: asyncio.Semaphore,
        turn: asyncio.Event,
        done: asyncio.Event,
    ) -> None:
        async with ahead:
            await self._take(work, path, turn)
        done.set()

    async def _take(self, work: ImportWork, path: str, turn: asyncio.Event) -> None:
        earlier = work.standing.run_of(path, commit=work.commit)
        skipped = self._unwanted(work, path, earlier)
        if skipped is None:
            try:
                async with (
                    aclosing(work.content(path)) as chunks,
                    spooled(path, chunks, bytes_max=self._file_bytes_max) as file,
                ):
                    await turn.wait()
                    await self._take_file(work, path, file)
            except TooLarge:
                skipped = Skipped.FILE_TOO_LARGE
            except NotReadable:
                skipped = Skipped.NOT_READABLE
        await turn.wait()
        if skipped is not None:
            work.skip(path, skipped, earlier)

    def _unwanted(self, work: ImportWork, path: str, earlier: str) -> Skipped | None:
        if earlier:
            return Skipped.ALREADY_IMPORTED
        too_large = work.listing[path] > self._file_bytes_max
        return Skipped.FILE_TOO_LARGE if too_large else None

    async def _take_file(self, work: ImportWork, path: str, file: ResultsFile) -> None:
        earlier = work.standing.run_of(path, sha256=file.sha256)
        if earlier:
            work.skip(path, Skipped.ALREADY_IMPORTED, earlier)
            return
        if not await self._take_at_once(work, path, file):
            await self._take_surveyed(work, path, file)

    async def _take_at_once(self, work: ImportWork, path: str, file: ResultsFile) -> bool:
        """Make a run in a single reading; tell whether that could be, nothing is kept otherwise."""
        reading = SingleReading(file)
        try:
            await reading.begin()
            return await self._make_run(work, path, file, reading.survey, reading.samples())
        except (NotAsItBegan, TooManyTasks):  # what is wrong with the file counts for more
            return False

    async def _take_surveyed(self, work: ImportWork, path: str, file: ResultsFile) -> None:
        survey = await file.survey()
        reason = _unusable(survey)
        if reason is not None:
            work.skip(path, reason)
        elif not await self._make_run(work, path, file, survey, file.samples(survey)):
            work.skip(path, Skipped.UNKNOWN_TASK)

    async def _make_run(
        self,
        work: ImportWork,
        path: str,
        file: ResultsFile,
        survey: Survey,
        samples: AsyncGenerator[list[HarnessSample], None],
    ) -> bool:
        """Make a run of samples; tell whether runs of its task are wanted."""
        results = await work.results_beside(path)
        prefix = "" if work.order.files else work.order.path_prefix
        now = self._clock.utc_now()
        origin = origins.origin_of(path, survey, results, prefix=prefix, now=now)
        if not work.takes(origin.task_id):
            return False
        run_id = new_id("eval_run")
        async with aclosing(samples) as batches:
            if work.order.dry_run:
                count = sum([len(batch) async for batch in batches])
            else:
                count = await self._history.stage(run_id, origin.time, batches)
        source = {"path": work.order.repo, "revision": work.commit, "data_files": path}
        run = StagedRun(
            run_id=run_id,
            origin=origin,
            task_json=origins.task_json(origin, survey, results, source),
            generation=origins.generation_of(survey),
            path=path,
            sha256=file.sha256,
            samples=count,
        )
        work.keep(run)
        return True


def _unusable(survey: Survey) -> Skipped | None:
    if survey.rows > ROWS_MAX:
        return Skipped.TOO_MANY_ROWS
    if survey.holds_too_much:
        return Skipped.NOT_READABLE
    if survey.is_mostly_broken:
        return Skipped.MOSTLY_BROKEN
    return None if survey.rows else Skipped.NO_ROWS
