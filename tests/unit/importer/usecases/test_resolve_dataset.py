import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from blobstore.store import BlobStore
from importer.domain.dataset import DatasetError, DatasetRaced, RowFormat, RowLimits, Rows
from importer.domain.file import File, Owner, Purpose
from importer.domain.lookup import FileNotFound
from importer.usecases.remove_unused import RemoveUnused
from importer.usecases.resolve_dataset import STEP_BYTES, ResolveDataset
from importer.usecases.rows_at_rest import RowsAtRest
from servicekit.ids import new_id
from servicekit.turns import Turns
from unit.importer.usecases.fakes import NOW, FakeDatasets, FakeTables, FixedClock


@pytest.fixture
def resolve(tables: FakeTables, blobs: BlobStore) -> ResolveDataset:
    return ResolveDataset(
        files=tables,
        at_rest=RowsAtRest(
            datasets=FakeDatasets(tables), uses=tables, blobs=blobs, clock=FixedClock()
        ),
        blobs=blobs,
        limits=RowLimits(total_bytes=4 * STEP_BYTES),
        at_once=Turns(1),
    )


async def stored(
    tables: FakeTables, blobs: BlobStore, owner: Owner, content: bytes, **changes: object
) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    blob = await blobs.put_stream(chunks(), max_bytes=len(content))
    file = File(
        id=new_id("file"),
        owner=owner,
        filename=str(changes.get("filename", "a.jsonl")),
        purpose=Purpose(str(changes.get("purpose", "evals"))),
        size_bytes=blob.size_bytes,
        sha256=blob.sha256,
        created_at=NOW,
    )
    tables.files[file.id] = file
    return file.id


async def rows_of(resolve: ResolveDataset, owner: Owner, file_id: str) -> Rows:
    return await resolve(owner, file_id=file_id, row_format=None, max_rows=None)


async def test_many_calls_at_once_read_the_file_once(
    resolve: ResolveDataset, tables: FakeTables, blobs: BlobStore, owner: Owner
) -> None:
    file_id = await stored(tables, blobs, owner, b'{"a": 1}\n')

    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(rows_of(resolve, owner, file_id)) for _ in range(5)]

    assert {call.result().row_count for call in calls} == {1}
    assert len(tables.datasets) == 1


async def test_a_team_whose_files_are_read_all_day_keeps_no_other_waiting(
    resolve: ResolveDataset, tables: FakeTables, blobs: BlobStore, owner: Owner
) -> None:
    other = Owner(org_id=owner.org_id, team_id="other")
    file_id = await stored(tables, blobs, other, b'{"a": 1}\n')

    async with resolve.at_once.place(f"{owner.org_id}/{owner.team_id}"), asyncio.timeout(10):
        assert (await rows_of(resolve, other, file_id)).row_count == 1


async def test_rows_longer_than_one_step_are_put_together(
    resolve: ResolveDataset, tables: FakeTables, blobs: BlobStore, owner: Owner
) -> None:
    line = b'{"a": "%s"}\n' % (b"x" * (STEP_BYTES - 100))
    file_id = await stored(tables, blobs, owner, line * 3)

    assert (await rows_of(resolve, owner, file_id)).row_count == 3


async def test_too_many_bytes_are_an_error_of_the_dataset(
    resolve: ResolveDataset, tables: FakeTables, blobs: BlobStore, owner: Owner
) -> None:
    line = b'{"a": "%s"}\n' % (b"x" * (STEP_BYTES - 100))
    file_id = await stored(tables, blobs, owner, line * 6)

    with pytest.raises(DatasetError, match=r"more than \d+ bytes"):
        await rows_of(resolve, owner, file_id)


@pytest.mark.parametrize(
    ("changes", "word"), [({"filename": "rows"}, "format"), ({"purpose": "batch"}, "purpose")]
)
async def test_a_file_that_is_no_dataset_is_refused(
    resolve: ResolveDataset,
    tables: FakeTables,
    blobs: BlobStore,
    owner: Owner,
    changes: dict[str, object],
    word: str,
) -> None:
    file_id = await stored(tables, blobs, owner, b"{}", **changes)

    with pytest.raises(DatasetError, match=word):
        await rows_of(resolve, owner, file_id)


async def test_a_given_format_needs_no_name(
    resolve: ResolveDataset, tables: FakeTables, blobs: BlobStore, owner: Owner
) -> None:
    file_id = await stored(tables, blobs, owner, b"a\n1", filename="rows")

    rows = await resolve(owner, file_id=file_id, row_format=RowFormat.CSV, max_rows=None)

    assert rows.row_count == 1


async def test_an_unknown_file_is_not_found(resolve: ResolveDataset, owner: Owner) -> None:
    with pytest.raises(FileNotFound):
        await rows_of(resolve, owner, "file_x")


async def test_rows_that_are_removed_while_they_are_made_are_not_remembered(
    resolve: ResolveDataset,
    tables: FakeTables,
    blobs: BlobStore,
    owner: Owner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nothing_there(_: BlobStore, sha256: str) -> bool:
        return False

    file_id = await stored(tables, blobs, owner, b"{}")
    monkeypatch.setattr(BlobStore, "exists", nothing_there)

    with pytest.raises(DatasetRaced):
        await rows_of(resolve, owner, file_id)

    assert tables.datasets == {}


async def test_old_rows_go_when_their_file_is_gone_and_others_stay(
    resolve: ResolveDataset, tables: FakeTables, blobs: BlobStore, owner: Owner
) -> None:
    gone = await stored(tables, blobs, owner, b'{"gone": 1}')
    kept = await stored(tables, blobs, owner, b'{"kept": 1}')
    gone_rows, kept_rows = [await rows_of(resolve, owner, file_id) for file_id in (gone, kept)]
    for source, (rows, _) in list(tables.datasets.items()):
        tables.datasets[source] = (rows, NOW - timedelta(hours=2))
    await tables.remove(owner, gone)

    remove_unused = RemoveUnused(
        datasets=FakeDatasets(tables),
        uses=tables,
        blobs=blobs,
        clock=FixedClock(),
        keep=timedelta(hours=1),
    )
    assert await remove_unused() == 2

    assert not await blobs.exists(gone_rows.sha256)
    assert await blobs.exists(kept_rows.sha256)
    assert await remove_unused() == 0
