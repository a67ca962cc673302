"""Import harness results: find, read, map, hand over."""

from contextlib import aclosing

from importer.domain.harness import paths as names
from importer.domain.harness.listing import Listing
from importer.domain.history import (
    DRY_RUN_SUITE,
    Committed,
    ImportOrder,
    ImportReport,
    NoSuiteToReuse,
)
from importer.usecases.history_ports import Repository, RunHistory
from importer.usecases.import_work import ImportWork
from importer.usecases.take_files import TakeFiles
from servicekit import logs
from servicekit.clock import Clock

_log = logs.get_logger("importer.import_results")


class ImportResults:
    """Imports results.

    Args:
        history: keeps the runs.
        clock: tells now, for files that do not tell their time.
        file_bytes_max: a larger file is skipped.
    """

    def __init__(self, history: RunHistory, clock: Clock, *, file_bytes_max: int) -> None:
        self._history = history
        self._take_files = TakeFiles(history, clock, file_bytes_max=file_bytes_max)

    async def __call__(self, order: ImportOrder, source: Repository) -> ImportReport:
        """Do what is ordered and report on it; whatever is raised, nothing was made visible.

        Raises:
            FileNotInRepo: a file that is named is not there.
            TooManyFiles: the repository has more files of results than are looked at.
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
        await self._take_files(work, chosen)
        committed = await self._commit(work)
        _log.info("results_imported", files=len(chosen), runs=len(work.runs), dry=order.dry_run)
        return _report(work, committed, discovered=len(found))

    async def _commit(self, work: "ImportWork") -> Committed | None:
        if work.order.dry_run or not work.runs:
            return None
        committed = await self._history.commit(work.order, work.commit, work.runs)
        work.supersede(committed.superseded_run_ids)
        await self._history.completed([run.run_id for run in work.runs])
        return committed


async def _listing(order: ImportOrder, source: Repository, commit: str) -> dict[str, int]:
    """Return the sizes of the files that matter, by path."""
    listing = Listing(prefix=order.path_prefix, named=order.files)
    async with aclosing(source.files(order.repo, commit)) as files:
        async for file in files:
            listing.add(file.path, file.size_bytes)
    return listing.sizes


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
