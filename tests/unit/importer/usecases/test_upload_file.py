import hashlib
from collections.abc import AsyncIterator

import pytest

from blobstore.store import BlobStore
from importer.domain.file import NewFile, Owner, Purpose
from importer.domain.upload import FileIdTaken, FileTooLarge
from importer.usecases.delete_file import DeleteFile
from importer.usecases.upload_file import UploadFile
from servicekit.ids import new_id
from unit.importer.usecases.fakes import NOW, FakeTables, FixedClock

NEW = NewFile(filename="a.jsonl", purpose=Purpose.EVALS)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def upload(tables: FakeTables, blobs: BlobStore) -> UploadFile:
    return UploadFile(files=tables, uses=tables, blobs=blobs, clock=FixedClock(), max_bytes=10)


async def test_a_file_is_described_by_what_arrived(upload: UploadFile, owner: Owner) -> None:
    file = await upload(owner, NEW, chunks(b"ab", b"", b"c"))

    assert (file.size_bytes, file.sha256, file.created_at) == (3, sha256(b"abc"), NOW)
    assert file.owner == owner


async def test_a_file_that_is_too_large_is_refused_with_the_limit(
    upload: UploadFile, owner: Owner, tables: FakeTables
) -> None:
    with pytest.raises(FileTooLarge) as refusal:
        await upload(owner, NEW, chunks(b"12345678901"))

    assert refusal.value.metadata["max_bytes"] == "10"
    assert tables.files == {}


async def test_bytes_without_a_record_are_removed_again(
    upload: UploadFile, owner: Owner, blobs: BlobStore
) -> None:
    file_id = new_id("file")
    taken = NewFile(filename="a", purpose=Purpose.EVALS, id=file_id)
    await upload(owner, taken, chunks(b"first"))

    with pytest.raises(FileIdTaken):
        await upload(owner, taken, chunks(b"second"))

    assert await blobs.exists(sha256(b"first"))
    assert not await blobs.exists(sha256(b"second"))


async def test_bytes_of_a_refused_record_stay_when_another_file_has_them(
    upload: UploadFile, owner: Owner, blobs: BlobStore
) -> None:
    taken = NewFile(filename="a", purpose=Purpose.EVALS, id=new_id("file"))
    await upload(owner, taken, chunks(b"first"))
    await upload(owner, NEW, chunks(b"second"))

    with pytest.raises(FileIdTaken):
        await upload(owner, taken, chunks(b"second"))

    assert await blobs.exists(sha256(b"second"))


async def test_the_last_file_takes_its_bytes_with_it(
    upload: UploadFile, owner: Owner, tables: FakeTables, blobs: BlobStore
) -> None:
    delete = DeleteFile(files=tables, uses=tables, blobs=blobs)
    one, two = [await upload(owner, NEW, chunks(b"same")) for _ in range(2)]

    await delete(owner, one.id)
    assert await blobs.exists(one.sha256)

    await delete(owner, two.id)
    assert not await blobs.exists(one.sha256)
    assert tables.unused == []
