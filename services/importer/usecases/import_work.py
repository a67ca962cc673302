"""An import under way: what it has found, keeps and skips."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from importer.domain.harness import paths as names
from importer.domain.harness.results import RESULTS_BYTES_MAX, Results, results_of
from importer.domain.history import (
    TASKS_MAX,
    FileReport,
    ImportOrder,
    Skipped,
    StagedRun,
    Standing,
    TooManyTasks,
)
from importer.usecases.history_ports import Repository


class ImportWork:
    """An import under way."""

    def __init__(
        self,
        order: ImportOrder,
        source: Repository,
        commit: str,
        listing: Mapping[str, int],
        standing: Standing,
    ) -> None:
        self.order = order
        self.commit = commit
        self.listing = listing
        self.standing = standing
        self.files: list[FileReport] = []
        self.runs: list[StagedRun] = []
        self._source = source
        self._results: dict[str, Results] = {}

    @property
    def new_tasks(self) -> set[str]:
        """Tasks that the suite does not have."""
        return {run.origin.task_id for run in self.runs} - set(self.standing.task_ids)

    def content(self, path: str) -> AsyncGenerator[bytes, None]:
        """Yield a file's bytes."""
        return self._source.content(self.order.repo, self.commit, path)

    def takes(self, task_id: str) -> bool:
        """Tell whether runs of a task can go into the suite.

        Raises:
            TooManyTasks: they would need one task more than a version can have.
        """
        if task_id in self.standing.task_ids:
            return True
        if not self.order.create_missing_tasks:
            return False
        count = len(self.standing.task_ids) + len(self.new_tasks | {task_id})
        if count > TASKS_MAX:
            raise TooManyTasks(count)
        return True

    async def results_beside(self, path: str) -> Results:
        """Read the aggregated file that belongs to a samples file, as far as there is one."""
        for candidate in names.results_files(path, self.listing):
            if candidate not in self._results:
                self._results[candidate] = results_of(await self._short(candidate))
            return self._results[candidate]
        return Results()

    def keep(self, run: StagedRun) -> None:
        """Note a run that is to be made."""
        self.runs.append(run)
        self.files.append(
            FileReport(path=run.path, run_id="" if self.order.dry_run else run.run_id)
        )

    def skip(self, path: str, reason: Skipped, run_id: str = "") -> None:
        """Note a file of which no run is made."""
        self.files.append(FileReport(path=path, skipped=reason, run_id=run_id))

    def supersede(self, run_ids: Sequence[str]) -> None:
        """Note that another import made the same runs meanwhile."""
        self.runs = [run for run in self.runs if run.run_id not in run_ids]
        self.files = [
            FileReport(path=file.path, skipped=Skipped.ALREADY_IMPORTED)
            if file.run_id in run_ids
            else file
            for file in self.files
        ]

    async def _short(self, path: str) -> bytes:
        if self.listing[path] > RESULTS_BYTES_MAX:
            return b""
        content = b""
        async with aclosing(self.content(path)) as chunks:
            async for chunk in chunks:
                content += chunk
                if len(content) > RESULTS_BYTES_MAX:
                    return b""
        return content
