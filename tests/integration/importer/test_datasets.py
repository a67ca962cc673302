import json
from datetime import timedelta

import asyncpg
import pytest

from importer.app.service import build
from importer.inbound.sweeper import Sweeper
from importer.settings import Settings
from integration.importer.conftest import OTHER_TEAM, Importer
from proctor.files.v1 import file_service_pb2
from proctor.imports.v1 import import_service_pb2 as pb
from servicekit.caller import calling_as
from servicekit.errors import RemoteError


async def resolve(importer: Importer, **dataset: object) -> pb.ResolveDatasetResponse:
    raw = json.dumps(dataset).encode()
    return await importer.imports.ResolveDataset(pb.ResolveDatasetRequest(dataset_json=raw))


async def rows(importer: Importer, sha256: str) -> list[object]:
    batches = [batch async for batch in importer.blobs.read_lines(sha256)]
    return [json.loads(line) for batch in batches for line in batch]


async def test_jsonl_becomes_rows_in_the_object_store(importer: Importer) -> None:
    content = b'\xef\xbb\xbf{"q": "1+1", "meta": {"n": [1, null]}}\r\n\r\n{"q": "\\u00e9"}'
    file = await importer.upload(content)

    answer = await resolve(importer, source="file", file_id=file.file_id)

    assert answer.row_count == 2
    assert await rows(importer, answer.rows_sha256) == [
        {"q": "1+1", "meta": {"n": [1, None]}},
        {"q": "é"},
    ]
    assert answer.size_bytes == await importer.blobs.size(answer.rows_sha256)


async def test_csv_becomes_rows_of_texts(importer: Importer) -> None:
    file = await importer.upload(b'q,a\r\n"1,""1""\n2",3\r\n4\r\n', name="a.CSV")

    answer = await resolve(importer, file_id=file.file_id)

    assert await rows(importer, answer.rows_sha256) == [
        {"q": '1,"1"\n2', "a": "3"},
        {"q": "4", "a": ""},
    ]


async def test_the_format_of_the_manifest_beats_the_name(importer: Importer) -> None:
    file = await importer.upload(b"a\n1\n", name="rows.txt")

    answer = await resolve(importer, file_id=file.file_id, format="csv")

    assert await rows(importer, answer.rows_sha256) == [{"a": "1"}]


async def test_the_same_source_gives_the_same_rows_without_reading_it_again(
    importer: Importer, postgres_dsn: str
) -> None:
    one, two = [await importer.upload(b'{"a": 1}\n{"a": 2}\n', name=f"{n}.jsonl") for n in "ab"]

    first = await resolve(importer, file_id=one.file_id)
    again = await resolve(importer, file_id=two.file_id)
    capped = await resolve(importer, file_id=one.file_id, max_rows=1)

    assert again == first
    assert capped.row_count == 1
    connection = await asyncpg.connect(postgres_dsn)
    assert await connection.fetchval("SELECT count(*) FROM importer.datasets") == 2
    await connection.close()


async def test_rows_that_vanished_are_made_again(importer: Importer) -> None:
    file = await importer.upload(b'{"a":  1}\n')
    first = await resolve(importer, file_id=file.file_id)
    await importer.blobs.delete(first.rows_sha256)

    assert await resolve(importer, file_id=file.file_id) == first
    assert await rows(importer, first.rows_sha256) == [{"a": 1}]


@pytest.mark.parametrize(
    ("content", "dataset", "reason", "sentence"),
    [
        (b'{"a": 1}\n{"a": }\n', {}, "DATASET_ERROR", "line 2 is not valid JSON"),
        (b'{"a": NaN}', {}, "DATASET_ERROR", "line 1 holds NaN"),
        (b"a,a\n1,2", {"format": "csv"}, "DATASET_ERROR", "line 1 names the column 'a' twice"),
        (b"\xff\xfe{}", {}, "DATASET_ERROR", "line 1 is not UTF-8"),
        (b"{}\n" * 1_001, {}, "DATASET_ERROR", "more than 1000 rows"),
        (b'{"a": "%s"}' % (b"x" * 20_000), {}, "DATASET_ERROR", "longer than 20000 bytes"),
        (b'{"a": "%s"}\n' % (b"x" * 2_000) * 600, {}, "DATASET_ERROR", "more than 1000000 bytes"),
        (b"", {}, "EMPTY_DATASET", "no rows"),
        (b"a,b\n", {"format": "csv"}, "EMPTY_DATASET", "no rows"),
        (b"{}", {"max_rows": 0}, "DATASET_ERROR", "max_rows"),
        (b"{}", {"unknown": 1}, "DATASET_ERROR", "unknown"),
    ],
)
async def test_a_dataset_that_cannot_be_used_is_refused_and_leaves_no_rows(
    importer: Importer, content: bytes, dataset: dict[str, object], reason: str, sentence: str
) -> None:
    file = await importer.upload(content)

    with pytest.raises(RemoteError, match=sentence) as refusal:
        await resolve(importer, file_id=file.file_id, **dataset)

    assert refusal.value.reason == reason
    await importer.files.DeleteFile(file_service_pb2.DeleteFileRequest(file_id=file.file_id))
    assert not await importer.blobs.exists(file.sha256)


async def test_a_file_of_another_team_or_purpose_is_no_dataset(importer: Importer) -> None:
    file = await importer.upload(b"{}")
    batch = await importer.upload(b"{}", purpose="batch")
    nameless = await importer.upload(b"{}", name="rows")

    with calling_as(OTHER_TEAM), pytest.raises(RemoteError) as foreign:
        await resolve(importer, file_id=file.file_id)
    with pytest.raises(RemoteError) as other_purpose:
        await resolve(importer, file_id=batch.file_id)
    with pytest.raises(RemoteError) as no_format:
        await resolve(importer, file_id=nameless.file_id)

    assert foreign.value.reason == "FILE_NOT_FOUND"
    assert other_purpose.value.reason == no_format.value.reason == "DATASET_ERROR"


async def test_rows_outlive_their_file_until_nobody_needs_them(
    importer: Importer, settings: Settings, postgres_dsn: str
) -> None:
    content = b'{"a":1}\n'  # already as the importer writes it: file and rows are one blob
    file = await importer.upload(content)
    answer = await resolve(importer, file_id=file.file_id)
    assert answer.rows_sha256 == file.sha256

    await importer.files.DeleteFile(file_service_pb2.DeleteFileRequest(file_id=file.file_id))
    assert await importer.blobs.exists(answer.rows_sha256)

    connection = await asyncpg.connect(postgres_dsn)
    age = timedelta(hours=settings.keep_rows_h + 1)
    await connection.execute("UPDATE importer.datasets SET used_at = used_at - $1::interval", age)
    await connection.close()
    async with build(settings) as loops:
        sweeper = next(loop for loop in loops if isinstance(loop, Sweeper))
        await sweeper._remove_unused()
    assert not await importer.blobs.exists(answer.rows_sha256)


async def test_rows_of_a_file_that_is_still_there_are_kept_however_old(
    importer: Importer, settings: Settings, postgres_dsn: str
) -> None:
    file = await importer.upload(b'{"a": 1}')
    answer = await resolve(importer, file_id=file.file_id)

    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute("UPDATE importer.datasets SET used_at = '2001-01-01'")
    await connection.close()
    async with build(settings) as loops:
        sweeper = next(loop for loop in loops if isinstance(loop, Sweeper))
        await sweeper._remove_unused()

    assert await importer.blobs.exists(answer.rows_sha256)
