"""Files are taken in their order, and the next few are fetched meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import datetime

import pytest

from hub.harness import jsonl, simplified
from importer.domain.harness import listing
from importer.domain.harness.listing import TooManyFiles
from importer.domain.harness.samples import HarnessSample
from importer.domain.history import (
    TASKS_MAX,
    Committed,
    ImportOrder,
    ImportReport,
    Skipped,
    StagedRun,
    Standing,
    TooManyTasks,
)
from importer.domain.hub import HubFile, HubUnavailable
from importer.usecases.import_results import ImportResults
from importer.usecases.take_files import FILES_AHEAD
from unit.importer.usecases.fakes import FixedClock

COMMIT = "c" * 40
ROWS = jsonl([simplified(0, 1.0)])


class FakeRepository:
    """Files in memory; a path in `held` is not sent before its event."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self.held: dict[str, asyncio.Event] = {}
        self.broken: set[str] = set()
        self.asked: list[str] = []
        self.open = 0

    async def commit(self, _repo: str, _revision: str) -> str:
        return COMMIT

    async def files(self, _repo: str, _revision: str) -> AsyncGenerator[HubFile, None]:
        for path, content in self._files.items():
            yield HubFile(path=path, size_bytes=len(content))

    async def content(self, _repo: str, _revision: str, path: str) -> AsyncGenerator[bytes, None]:
        self.asked.append(path)
        self.open += 1
        try:
            if path in self.held:
                await self.held[path].wait()
            if path in self.broken:
                raise HubUnavailable("away")
            yield self._files[path]
        finally:
            self.open -= 1


class FakeHistory:
    """Keeps runs in memory; staging waits for `may_stage`."""

    def __init__(self, standing: Standing | None = None) -> None:
        self._standing = standing or Standing()
        self.may_stage = asyncio.Event()
        self.may_stage.set()
        self.staged: dict[str, int] = {}
        self.committed: list[str] = []

    async def look_up(self, _order: ImportOrder, _paths: Sequence[str]) -> Standing:
        return self._standing

    async def stage(
        self, run_id: str, _time: datetime, batches: AsyncIterator[Sequence[HarnessSample]]
    ) -> int:
        await self.may_stage.wait()
        count = sum([len(batch) async for batch in batches])
        self.staged[run_id] = count
        return count

    async def commit(
        self, _order: ImportOrder, _commit: str, runs: Sequence[StagedRun]
    ) -> Committed:
        self.committed = [run.path for run in runs]
        assert set(self.staged) >= {run.run_id for run in runs}
        return Committed(
            suite_id="suite",
            suite_version=1,
            created_suite=True,
            created_suite_version=True,
            superseded_run_ids=(),
        )

    async def completed(self, _run_ids: Sequence[str]) -> None:
        return


def paths(count: int) -> list[str]:
    return [f"m/task{number:03}_samples.jsonl" for number in range(count)]


async def imported(
    repository: FakeRepository, history: FakeHistory, *, bytes_max: int = 2**20
) -> ImportReport:
    order = ImportOrder(repo="owner/results", revision="main", suite_name="Old", limit_files=100)
    use_case = ImportResults(history, FixedClock(), file_bytes_max=bytes_max)
    async with asyncio.timeout(60):
        return await use_case(order, repository)


async def until_fetched(repository: FakeRepository, wanted: Sequence[str]) -> None:
    """Wait until these were asked for and sent, except for what is held; then give it more time."""
    held = sum(1 for path in wanted if path in repository.held)
    async with asyncio.timeout(60):
        while len(repository.asked) < len(wanted) or repository.open > held:
            await asyncio.to_thread(bool)
    for _ in range(50):
        await asyncio.to_thread(bool)
    assert repository.asked == list(wanted)


async def test_files_fetched_early_are_taken_in_their_order() -> None:
    wanted = paths(3)
    repository = FakeRepository(dict.fromkeys(wanted, ROWS))
    repository.held[wanted[0]] = asyncio.Event()
    history = FakeHistory()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(imported(repository, history))
        await until_fetched(repository, wanted)
        assert history.staged == {}
        repository.held[wanted[0]].set()

    assert [file.path for file in task.result().files] == wanted
    assert history.committed == wanted


async def test_only_some_files_are_on_the_disk_at_a_time() -> None:
    wanted = paths(FILES_AHEAD + 2)
    repository = FakeRepository(dict.fromkeys(wanted, ROWS))
    history = FakeHistory()
    history.may_stage.clear()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(imported(repository, history))
        await until_fetched(repository, wanted[:FILES_AHEAD])
        history.may_stage.set()

    assert task.result().imported_samples == len(wanted)


async def test_what_is_not_wanted_is_not_fetched_and_keeps_its_place() -> None:
    small, large, broken = paths(3)
    files = {small: ROWS, large: ROWS * 100, broken: b"{\n"}
    repository = FakeRepository(files)
    repository.held[small] = asyncio.Event()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(imported(repository, FakeHistory(), bytes_max=2 * len(ROWS)))
        await until_fetched(repository, [small, broken])
        repository.held[small].set()

    report = [(file.path, file.skipped) for file in task.result().files]
    assert report == [
        (small, None),
        (large, Skipped.FILE_TOO_LARGE),
        (broken, Skipped.MOSTLY_BROKEN),
    ]
    assert repository.asked == [small, broken]


async def test_a_source_that_fails_ends_the_import_and_nothing_stays_open() -> None:
    wanted = paths(3)
    repository = FakeRepository(dict.fromkeys(wanted, ROWS))
    repository.held[wanted[0]] = asyncio.Event()
    repository.broken.add(wanted[2])
    history = FakeHistory()

    with pytest.raises(HubUnavailable):
        await imported(repository, history)

    assert (history.staged, history.committed, repository.open) == ({}, [], 0)


async def test_more_tasks_than_a_version_can_have_are_refused_as_such() -> None:
    known = Standing(suite_id="suite", task_ids=[f"t{number}" for number in range(TASKS_MAX)])

    with pytest.raises(TooManyTasks):
        await imported(FakeRepository({paths(1)[0]: ROWS}), FakeHistory(known))


async def test_a_file_that_cannot_be_read_does_not_count_among_the_tasks() -> None:
    known = Standing(suite_id="suite", task_ids=[f"t{number}" for number in range(TASKS_MAX)])
    content = ROWS + b"{\n" * 2

    report = await imported(FakeRepository({paths(1)[0]: content}), FakeHistory(known))

    assert [file.skipped for file in report.files] == [Skipped.MOSTLY_BROKEN]


async def test_a_repository_with_too_many_files_is_refused_before_any_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing, "FILES_MAX", 3)
    repository = FakeRepository(dict.fromkeys(paths(4), ROWS))

    with pytest.raises(TooManyFiles):
        await imported(repository, FakeHistory())

    assert repository.asked == []
