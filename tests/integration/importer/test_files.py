import asyncio
import hashlib
import os
import sys
from pathlib import Path

import asyncpg
import pytest

from integration.importer.conftest import MAX_FILE_BYTES, OTHER_TEAM, SECRET, Importer
from proctor.common.v1 import page_pb2
from proctor.files.v1 import file_pb2
from proctor.files.v1 import file_service_pb2 as pb
from servicekit.caller import calling_as
from servicekit.errors import Kind, RemoteError
from servicekit.ids import new_id


def stored_blobs(importer: Importer) -> set[str]:
    folder = Path(importer.blob_folder)
    return {path.name for path in folder.rglob("*") if path.is_file()}


def header(filename: str, purpose: str = "evals") -> pb.UploadFileRequest:
    return pb.UploadFileRequest(header=pb.UploadHeader(filename=filename, purpose=purpose))


def chunk(content: bytes) -> pb.UploadFileRequest:
    return pb.UploadFileRequest(chunk=content)


async def downloaded(importer: Importer, file_id: str) -> tuple[file_pb2.File, bytes]:
    messages = [
        m async for m in importer.files.DownloadFile(pb.DownloadFileRequest(file_id=file_id))
    ]
    return messages[0].file, b"".join(message.chunk for message in messages[1:])


async def listed(importer: Importer, **request: object) -> list[str]:
    answer = await importer.files.ListFiles(pb.ListFilesRequest(**request))  # type: ignore[arg-type]
    return [file.file_id for file in answer.files]


async def test_a_file_comes_back_as_it_was_sent(importer: Importer) -> None:
    content = os.urandom(3_000_000)

    file = await importer.upload(content, name="grader.py", purpose="evals")

    assert file.file_id.startswith("file_")
    assert file.filename == "grader.py"
    assert file.purpose == "evals"
    assert file.size_bytes == len(content)
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert await downloaded(importer, file.file_id) == (file, content)


async def test_an_empty_file_is_accepted(importer: Importer) -> None:
    file = await importer.upload(b"")

    assert file.size_bytes == 0
    assert await downloaded(importer, file.file_id) == (file, b"")


async def test_a_file_over_the_limit_leaves_nothing(importer: Importer) -> None:
    with pytest.raises(RemoteError) as refusal:
        await importer.upload(bytes(MAX_FILE_BYTES + 1))

    assert refusal.value.reason == "FILE_TOO_LARGE"
    assert await listed(importer) == []
    assert stored_blobs(importer) == set()


async def test_a_file_exactly_at_the_limit_is_stored(importer: Importer) -> None:
    assert (await importer.upload(bytes(MAX_FILE_BYTES))).size_bytes == MAX_FILE_BYTES


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "UPLOAD_INCOMPLETE"),
        ([chunk(b"a")], "UPLOAD_INCOMPLETE"),
        ([header("blob")], "INVALID_FILENAME"),
        ([header("a", purpose="x")], "INVALID_PURPOSE"),
        ([header("a"), chunk(b"abc")], "UPLOAD_INCOMPLETE"),
        ([header("a"), chunk(b"abc"), header("a")], "UPLOAD_INCOMPLETE"),
        (
            [
                header("a"),
                chunk(b"abc"),
                pb.UploadFileRequest(end=pb.UploadEnd(size_bytes=4)),
            ],
            "UPLOAD_INCOMPLETE",
        ),
    ],
)
async def test_an_upload_that_breaks_the_rules_leaves_nothing(
    importer: Importer, messages: list[pb.UploadFileRequest], reason: str
) -> None:
    with pytest.raises(RemoteError) as refusal:
        await importer.files.UploadFile(iter(messages))

    assert refusal.value.reason == reason
    assert await listed(importer) == []
    assert stored_blobs(importer) == set()


CUT_OFF = """
import asyncio, os, sys
from proctor.files.v1 import file_service_pb2 as pb
from proctor.files.v1.file_service_pb2_grpc import FileServiceStub
from servicekit.caller import Caller, calling_as
from servicekit.client import open_channel

async def main():
    async with open_channel(sys.argv[1], secret=sys.argv[2].encode()) as channel:
        with calling_as(Caller(org_id="org", team_id="team")):
            async def half():
                yield pb.UploadFileRequest(header=pb.UploadHeader(filename="a", purpose="evals"))
                for _ in range(30):
                    yield pb.UploadFileRequest(chunk=bytes(100_000))
                if sys.argv[3] == "kill":
                    os.kill(os.getpid(), 9)
                raise RuntimeError("the source broke")
            await FileServiceStub(channel).UploadFile(half())

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["kill", "raise"])
async def test_an_upload_whose_sender_vanishes_leaves_nothing(importer: Importer, how: str) -> None:
    sender = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CUT_OFF, importer.target, SECRET, how,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await sender.wait() != 0

    # A stream of the same kind that begins now is served after the broken one was noticed.
    await importer.upload(b"later")
    while len(stored_blobs(importer)) > 1:
        await importer.files.ListFiles(pb.ListFilesRequest())

    assert len(await listed(importer)) == 1
    assert stored_blobs(importer) == {hashlib.sha256(b"later").hexdigest()}


async def test_a_repeated_upload_with_an_id_answers_the_stored_file(importer: Importer) -> None:
    file_id = new_id("file")

    first = await importer.upload(b"same", file_id=file_id)
    again = await importer.upload(b"same", file_id=file_id, name="other.txt")

    assert again == first
    assert await listed(importer) == [file_id]


async def test_an_id_is_not_given_twice(importer: Importer) -> None:
    file_id = new_id("file")
    await importer.upload(b"mine", file_id=file_id)

    with pytest.raises(RemoteError) as refusal:
        await importer.upload(b"other", file_id=file_id)
    with calling_as(OTHER_TEAM), pytest.raises(RemoteError) as other_refusal:
        await importer.upload(b"mine", file_id=file_id)

    assert refusal.value.reason == other_refusal.value.reason == "FILE_ID_TAKEN"
    assert stored_blobs(importer) == {hashlib.sha256(b"mine").hexdigest()}


async def test_uploads_of_one_id_at_once_make_one_file(importer: Importer) -> None:
    file_id = new_id("file")

    async with asyncio.TaskGroup() as tasks:
        uploads = [tasks.create_task(importer.upload(b"x", file_id=file_id)) for _ in range(8)]

    assert {upload.result().file_id for upload in uploads} == {file_id}
    assert await listed(importer) == [file_id]


async def test_another_teams_files_do_not_exist(importer: Importer) -> None:
    file = await importer.upload(b"mine")

    with calling_as(OTHER_TEAM):
        assert await listed(importer) == []
        found = await importer.files.BatchGetFiles(pb.BatchGetFilesRequest(file_ids=[file.file_id]))
        assert list(found.files) == []
        for call in (
            importer.files.GetFile(pb.GetFileRequest(file_id=file.file_id)),
            importer.files.DeleteFile(pb.DeleteFileRequest(file_id=file.file_id)),
            downloaded(importer, file.file_id),
            importer.files.ListFiles(
                pb.ListFilesRequest(page=page_pb2.PageRequest(after_id=file.file_id))
            ),
        ):
            with pytest.raises(RemoteError) as refusal:
                await call
            assert refusal.value.reason in ("FILE_NOT_FOUND", "INVALID_CURSOR")

    assert await listed(importer) == [file.file_id]


async def test_files_are_listed_page_by_page_in_both_directions(importer: Importer) -> None:
    made = [(await importer.upload(str(n).encode())).file_id for n in range(5)]

    async def pages(order: "pb.FileOrder.ValueType") -> list[list[str]]:
        pages, after = [], ""
        while True:
            answer = await importer.files.ListFiles(
                pb.ListFilesRequest(
                    page=page_pb2.PageRequest(page_size=2, after_id=after), order=order
                )
            )
            pages.append([file.file_id for file in answer.files])
            if not answer.page.has_more:
                return pages
            after = pages[-1][-1]

    assert await pages(pb.FILE_ORDER_ASC) == [made[0:2], made[2:4], made[4:]]
    assert await pages(pb.FILE_ORDER_DESC) == [made[:2:-1], made[2:0:-1], made[:1]]
    assert await pages(pb.FILE_ORDER_UNSPECIFIED) == await pages(pb.FILE_ORDER_DESC)


async def test_files_are_filtered_by_purpose_and_content(importer: Importer) -> None:
    eval_file = await importer.upload(b"a")
    batch_file = await importer.upload(b"b", purpose="batch")

    assert await listed(importer, purpose="batch") == [batch_file.file_id]
    assert await listed(importer, sha256=eval_file.sha256) == [eval_file.file_id]
    assert await listed(importer, sha256="nothing") == []


async def test_a_cursor_nobody_knows_is_refused(importer: Importer) -> None:
    with pytest.raises(RemoteError) as refusal:
        await importer.files.ListFiles(
            pb.ListFilesRequest(page=page_pb2.PageRequest(after_id="file_x"))
        )

    assert refusal.value.kind is Kind.INVALID_ARGUMENT
    assert refusal.value.reason == "INVALID_CURSOR"
    assert refusal.value.metadata["param"] == "after"


async def test_bytes_stay_as_long_as_one_file_has_them(importer: Importer) -> None:
    one, two = await importer.upload(b"same"), await importer.upload(b"same", name="two")

    await importer.files.DeleteFile(pb.DeleteFileRequest(file_id=one.file_id))
    assert (await downloaded(importer, two.file_id))[1] == b"same"

    await importer.files.DeleteFile(pb.DeleteFileRequest(file_id=two.file_id))
    assert stored_blobs(importer) == set()


async def test_a_deleted_file_is_gone_and_cannot_be_deleted_again(importer: Importer) -> None:
    file = await importer.upload(b"gone")
    await importer.files.DeleteFile(pb.DeleteFileRequest(file_id=file.file_id))

    for call in (
        importer.files.GetFile(pb.GetFileRequest(file_id=file.file_id)),
        importer.files.DeleteFile(pb.DeleteFileRequest(file_id=file.file_id)),
    ):
        with pytest.raises(RemoteError) as refusal:
            await call
        assert refusal.value.reason == "FILE_NOT_FOUND"
        assert refusal.value.kind is Kind.NOT_FOUND


async def test_uploads_and_deletions_of_one_content_never_leave_a_file_without_bytes(
    importer: Importer,
) -> None:
    async def upload_and_delete() -> None:
        for _ in range(10):
            try:
                file = await importer.upload(b"contended")
            except RemoteError as error:
                assert error.reason == "UPLOAD_RACED"  # noqa: PT017 - only some of them are raced
                continue
            assert (await downloaded(importer, file.file_id))[1] == b"contended"
            await importer.files.DeleteFile(pb.DeleteFileRequest(file_id=file.file_id))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(upload_and_delete())

    assert await listed(importer) == []
    assert stored_blobs(importer) == set()


@pytest.mark.parametrize("name", ["a.jsonl", "a/b"])
async def test_a_refusal_reaches_a_sender_that_is_still_sending(
    importer: Importer, name: str
) -> None:
    with pytest.raises(RemoteError) as refusal:
        await importer.upload(bytes(8 * MAX_FILE_BYTES), name=name)

    assert refusal.value.reason in ("FILE_TOO_LARGE", "INVALID_FILENAME")


async def test_the_database_holds_the_rules_too(importer: Importer, postgres_dsn: str) -> None:
    await importer.upload(b"a")
    connection = await asyncpg.connect(postgres_dsn)
    try:
        for change in ("purpose = 'x'", "sha256 = 'x'", "size_bytes = -1", "filename = ''"):
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(f"UPDATE importer.files SET {change}")  # noqa: S608
    finally:
        await connection.close()
