import asyncio
from collections.abc import Sequence

import pytest

from orchestrator.domain.run import DiscardedFile
from orchestrator.usecases.remove_files import FileRemover
from servicekit.caller import outgoing_caller
from servicekit.errors import Kind, ServiceError
from unit.orchestrator.usecases.fakes import Away


class Gone(ServiceError):
    kind = Kind.NOT_FOUND
    reason = "FILE_NOT_FOUND"


class Locked(ServiceError):
    kind = Kind.FAILED_PRECONDITION
    reason = "FILE_LOCKED"


class Discards:
    """Discarded files of one team, in memory."""

    def __init__(self, *file_ids: str) -> None:
        self.left = list(file_ids)

    async def pending(self, *, limit: int) -> Sequence[DiscardedFile]:
        return [DiscardedFile(file_id, "org", "team") for file_id in self.left[:limit]]

    async def gone(self, file_id: str) -> None:
        self.left.remove(file_id)

    async def put_off(self, file_id: str) -> None:
        self.left.remove(file_id)
        self.left.append(file_id)


class Files:
    """Files that are there, and trouble with some of them."""

    def __init__(self, *file_ids: str) -> None:
        self.there = set(file_ids)
        self.trouble: dict[str, ServiceError] = {}
        self.asked_by: set[tuple[str, str]] = set()
        self.asked: list[str] = []

    async def delete(self, file_id: str) -> None:
        self.asked.append(file_id)
        caller = outgoing_caller()
        self.asked_by.add((caller.org_id, caller.team_id))
        if file_id in self.trouble:
            raise self.trouble[file_id]
        if file_id not in self.there:
            raise Gone("no such file")
        self.there.remove(file_id)


async def test_discarded_files_are_deleted_in_the_name_of_their_team() -> None:
    discards, files = Discards("a", "b"), Files("a", "b", "another's")

    await FileRemover(discards, files, period_s=5).remove()

    assert (discards.left, files.there) == ([], {"another's"})
    assert files.asked_by == {("org", "team")}


async def test_a_file_that_is_gone_already_is_forgotten() -> None:
    discards = Discards("a")

    await FileRemover(discards, Files(), period_s=5).remove()

    assert discards.left == []


async def test_a_file_that_cannot_be_deleted_is_kept_in_mind_and_lets_others_pass() -> None:
    discards, files = Discards("a", "b"), Files("a", "b")
    files.trouble["a"] = Away()

    with pytest.raises(Away):
        await FileRemover(discards, files, period_s=5).remove()

    assert discards.left == ["b", "a"]


async def test_a_file_that_is_refused_ends_no_round() -> None:
    discards, files = Discards("a", "b", "c"), Files("a", "b", "c")
    files.trouble["a"] = Locked("the file is in use")

    await FileRemover(discards, files, period_s=5).remove()

    assert (discards.left, files.there) == (["a"], {"a"})


async def test_files_that_are_all_refused_are_asked_for_once_a_round() -> None:
    names = [f"file-{number:03}" for number in range(150)]
    discards, files = Discards(*names), Files(*names)
    files.trouble = {name: Locked("the file is in use") for name in names}

    await FileRemover(discards, files, period_s=5).remove()

    assert discards.left == names
    assert files.asked == names


async def test_it_looks_again_whatever_happens() -> None:
    discards, files = Discards("a", "b"), Files("a", "b")
    files.trouble["a"] = Away()
    async with asyncio.TaskGroup() as tasks:
        removing = tasks.create_task(FileRemover(discards, files, period_s=5).run())
        await asyncio.sleep(6)
        assert discards.left == ["a"]
        files.trouble.clear()
        await asyncio.sleep(6)
        removing.cancel()

    assert (discards.left, files.there) == ([], set())
