"""Import harness results: find, read, map, hand over."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from importer.domain.harness import origin as origins
from importer.domain.harness import paths as names
from importer.domain.harness.samples import HarnessSample
from importer.domain.harness.spooling import NotReadable, TooLarge
from importer.domain.harness.survey import ROWS_MAX, Survey
from importer.domain.history import (
    DRY_RUN_SUITE,
    Committed,
    ImportOrder,
    ImportReport,
    NoSuiteToReuse,
    Skipped,
    StagedRun,
    TooManyTasks,
)
from importer.usecases.history_ports import Repository, RunHistory
from importer.usecases.import_work import ImportWork
from importer.usecases.results_file import NotAsItBegan, ResultsFile, SingleReading, spooled
from servicekit import logs
from servicekit.clock import Clock
from servicekit.ids import new_id

_log = logs.get_logger("importer.import_results")

_RESULTS = re.compile(r"(.*/)?results[^/]*\.json")


class ImportResults:
    """Imports results.

    Args:
        history: keeps the runs.
        clock: tells now, for files that do not tell their time.
        file_bytes_max: a larger file is skipped.
    """

    def __init__(self, history: RunHistory, clock: Clock, *, file_bytes_max: int) -> None:
        self._history = history
        self._clock = clock
        self._file_bytes_max = file_bytes_max

    async def __call__(self, order: ImportOrder, source: Repository) -> ImportReport:
        """Do what is ordered and report on it; whatever is raised, nothing was made visible.

        Raises:
            FileNotInRepo: a file that is named is not there.
            NoSuiteToReuse: nothing may be created, and there is no suite.
            TooManyTasks: a version would have more than 100 tasks.
            ServiceError: what the source or the keeper of runs refuses with.
        """
        if order.suite_id:
            # First: for a suite that is not the caller's to change, nothing is read.
            await self._history.look_up(order, ())
        commit = await source.commit(order.repo, order.revision)
        listing = await _listing(order, source, commit)
        found = names.chosen_files(listing, prefix=order.path_prefix, named=order.files)
        chosen = found[: names.cap_of(order.limit_files, named=bool(order.files))]
        standing = await self._history.look_up(order, chosen)
        if not standing.suite_id and not order.create_missing_tasks:
            raise NoSuiteToReuse
        work = ImportWork(order, source, commit, listing, standing)
        for path in chosen:
            await self._take(work, path)
        committed = await self._commit(work)
        _log.info("results_imported", files=len(chosen), runs=len(work.runs), dry=order.dry_run)
        return _report(work, committed, discovered=len(found))

    async def _take(self, work: "ImportWork", path: str) -> None:
        earlier = work.standing.run_of(path, commit=work.commit)
        if earlier:
            work.skip(path, Skipped.ALREADY_IMPORTED, earlier)
            return
        if work.listing[path] > self._file_bytes_max:
            work.skip(path, Skipped.FILE_TOO_LARGE)
            return
        try:
            async with (
                aclosing(work.content(path)) as chunks,
                spooled(path, chunks, bytes_max=self._file_bytes_max) as file,
            ):
                await self._take_file(work, path, file)
        except TooLarge:
            work.skip(path, Skipped.FILE_TOO_LARGE)
        except NotReadable:
            work.skip(path, Skipped.NOT_READABLE)

    async def _take_file(self, work: "ImportWork", path: str, file: ResultsFile) -> None:
        earlier = work.standing.run_of(path, sha256=file.sha256)
        if earlier:
            work.skip(path, Skipped.ALREADY_IMPORTED, earlier)
            return
        if not await self._take_at_once(work, path, file):
            await self._take_surveyed(work, path, file)

    async def _take_at_once(self, work: "ImportWork", path: str, file: ResultsFile) -> bool:
        """Make a run in a single reading; tell whether that could be, nothing is kept otherwise."""
        reading = SingleReading(file)
        try:
            await reading.begin()
            return await self._make_run(work, path, file, reading.survey, reading.samples())
        except (NotAsItBegan, TooManyTasks):  # what is wrong with the file counts for more
            return False

    async def _take_surveyed(self, work: "ImportWork", path: str, file: ResultsFile) -> None:
        survey = await file.survey()
        reason = _unusable(survey)
        if reason is not None:
            work.skip(path, reason)
        elif not await self._make_run(work, path, file, survey, file.samples(survey)):
            work.skip(path, Skipped.UNKNOWN_TASK)

    async def _make_run(
        self,
        work: "ImportWork",
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

    async def _commit(self, work: "ImportWork") -> Committed | None:
        if work.order.dry_run or not work.runs:
            return None
        committed = await self._history.commit(work.order, work.commit, work.runs)
        work.supersede(committed.superseded_run_ids)
        await self._history.completed([run.run_id for run in work.runs])
        return committed


async def _listing(order: ImportOrder, source: Repository, commit: str) -> dict[str, int]:
    """Return the sizes of the files that matter, by path."""
    named = set(order.files)
    async with aclosing(source.files(order.repo, commit)) as files:
        return {
            file.path: file.size_bytes
            async for file in files
            if file.path in named
            or names.is_samples_file(file.path)
            or _RESULTS.fullmatch(file.path)
        }


def _unusable(survey: Survey) -> Skipped | None:
    if survey.rows > ROWS_MAX:
        return Skipped.TOO_MANY_ROWS
    if survey.holds_too_much:
        return Skipped.NOT_READABLE
    if survey.is_mostly_broken:
        return Skipped.MOSTLY_BROKEN
    return None if survey.rows else Skipped.NO_ROWS


def _report(work: ImportWork, committed: Committed | None, *, discovered: int) -> ImportReport:
    standing, order = work.standing, work.order
    if committed is None:
        # A dry run tells what would be; otherwise nothing was there to make a suite of.
        makes_version = bool(work.new_tasks)
        fallback = DRY_RUN_SUITE if order.dry_run else ""
        committed = Committed(
            suite_id=standing.suite_id or fallback,
            suite_version=standing.latest_version + 1 if makes_version else standing.suite_version,
            created_suite=makes_version and not standing.suite_id,
            created_suite_version=makes_version,
            superseded_run_ids=(),
        )
    return ImportReport(
        suite_id=committed.suite_id,
        suite_version=committed.suite_version,
        created_suite=committed.created_suite,
        created_suite_version=committed.created_suite_version,
        discovered_files=discovered,
        imported_samples=sum(run.samples for run in work.runs),
        files=work.files,
    )
