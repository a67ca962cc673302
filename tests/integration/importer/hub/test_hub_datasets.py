"""Datasets of the hub, through the importer's door, with a real Postgres and folder."""

import asyncio
import gzip
import io
import json
import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub.stand_in import StandInHub
from integration.importer.conftest import OTHER_TEAM, Importer
from integration.importer.hub.conftest import SERVER_TOKEN
from proctor.imports.v1 import import_service_pb2 as pb
from servicekit.caller import calling_as
from servicekit.errors import RemoteError


def parquet(columns: Mapping[str, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), file, **options)
    return file.getvalue()


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


async def resolve(importer: Importer, **dataset: object) -> pb.ResolveDatasetResponse:
    raw = json.dumps({"source": "huggingface", "path": "team/set", **dataset}).encode()
    return await importer.imports.ResolveDataset(pb.ResolveDatasetRequest(dataset_json=raw))


async def rows_of(importer: Importer, **dataset: object) -> list[dict[str, Any]]:
    answer = await resolve(importer, **dataset)
    blob = [line async for batch in importer.blobs.read_lines(answer.rows_sha256) for line in batch]
    assert len(blob) == answer.row_count
    return [json.loads(line) for line in blob]


async def refusal(importer: Importer, **dataset: object) -> RemoteError:
    with pytest.raises(RemoteError) as refused:
        await resolve(importer, **dataset)
    return refused.value


def stored(importer: Importer) -> bytes:
    paths = Path(importer.blob_folder).rglob("*")
    return b"".join(path.read_bytes() for path in paths if path.is_file())


def left_over(importer: Importer) -> list[str]:
    """Uploads and workers of this process that did not end."""
    uploads = [str(path) for path in (Path(importer.blob_folder) / "tmp").glob("*")]
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return uploads + [
        child for path in children for child in path.read_text().split() if _is_worker(child)
    ]


def _is_worker(pid: str) -> bool:
    try:
        return b"parquet.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


async def test_jsonl_json_csv_and_parquet_files_give_the_same_rows(
    hub: StandInHub, importer: Importer
) -> None:
    rows = [{"q": "1+1", "a": "2"}, {"q": "2+2", "a": "4"}]
    files = {
        "a.jsonl": lines(*rows),
        "b.json": json.dumps(rows, indent=2).encode(),
        "c.csv": b"q,a\n1+1,2\n2+2,4\n",
        "d.parquet": parquet({"q": ["1+1", "2+2"], "a": ["2", "4"]}),
        "e.jsonl.gz": gzip.compress(lines(rows[0])) + gzip.compress(lines(rows[1])),
        "f.csv.gz": gzip.compress(b"q,a\n1+1,2\n2+2,4\n"),
    }
    hub.add("team/set", files)

    for name in files:
        assert await rows_of(importer, data_files=name) == rows, name


async def test_the_readme_says_which_files_are_which_config_and_split(
    hub: StandInHub, importer: Importer
) -> None:
    readme = b"""---
license: mit
configs:
- config_name: easy
  data_files:
  - split: train
    path: easy/train-*.jsonl
  - split: test
    path: [easy/t1.jsonl, easy/t2.jsonl]
- config_name: hard
  default: true
  data_files: hard/*.jsonl
---
# Rows
"""
    hub.add(
        "team/set",
        {
            "README.md": readme,
            "easy/train-1.jsonl": lines({"n": 1}),
            "easy/t1.jsonl": lines({"n": 2}),
            "easy/t2.jsonl": lines({"n": 3}),
            "hard/x.jsonl": lines({"n": 4}),
        },
    )

    assert await rows_of(importer) == [{"n": 4}]
    assert await rows_of(importer, name="easy") == [{"n": 2}, {"n": 3}]
    assert await rows_of(importer, name="easy", split="train") == [{"n": 1}]
    missing = await refusal(importer, name="middle")
    assert "there are: easy, hard" in missing.message
    missing = await refusal(importer, name="easy", split="dev")
    assert "has no split 'dev'; there are: test, train" in missing.message
    assert missing.reason == "DATASET_ERROR"


@pytest.mark.parametrize(
    "files",
    [
        {"data/train-00000-of-00002.jsonl": 1, "data/test-00000-of-00001.jsonl": 2},
        {"train.jsonl": 1, "test.jsonl": 2},
        {"train/a.jsonl": 1, "testing/b.jsonl": 2},
        {"my-train-set.jsonl": 1, "my_test_set.jsonl": 2, "dataset_infos.json": 3},
    ],
)
async def test_without_a_readme_the_layout_tells_the_splits(
    hub: StandInHub, importer: Importer, files: dict[str, int]
) -> None:
    hub.add("team/set", {path: lines({"n": n}) for path, n in files.items()})

    assert await rows_of(importer) == [{"n": 2}]
    assert await rows_of(importer, split="train") == [{"n": 1}]
    assert "there are: test, train" in (await refusal(importer, split="val")).message


async def test_data_files_can_be_patterns_by_split(hub: StandInHub, importer: Importer) -> None:
    hub.add(
        "team/set",
        {
            "a/1.jsonl": lines({"n": 1}),
            "a/b/2.jsonl": lines({"n": 2}),
            "a/.hidden.jsonl": lines({"n": 9}),
            "c.jsonl": lines({"n": 3}),
        },
    )

    assert await rows_of(importer, data_files="a/**/*.jsonl") == [{"n": 1}, {"n": 2}]
    assert await rows_of(importer, data_files=["c.jsonl", "a/*.jsonl"]) == [{"n": 3}, {"n": 1}]
    by_split = {"mine": "c.jsonl", "other": ["a/*.jsonl", "a/b/?.jsonl"]}
    assert await rows_of(importer, data_files=by_split, split="mine") == [{"n": 3}]
    assert await rows_of(importer, data_files=by_split, split="other") == [{"n": 1}, {"n": 2}]
    assert "one of mine, other" in (await refusal(importer, data_files=by_split)).message
    assert "match no file" in (await refusal(importer, data_files="d/*")).message
    for bad in ("../x.jsonl", "https://other/x.jsonl", "/etc/passwd"):
        assert "its own files" in (why := (await refusal(importer, data_files=bad)).message) or (
            "not the path" in why
        )


async def test_a_repository_with_only_a_script_is_read_from_the_hubs_parquet_export(
    hub: StandInHub, importer: Importer
) -> None:
    hub.add("team/set", {"set.py": b"import os; os.abort()"})

    alone = await refusal(importer)
    hub.add(
        "team/set",
        {
            "main/test/0000.parquet": parquet({"n": [1]}),
            "main/test/0001.parquet": parquet({"n": [2]}),
            "main/partial-train/0000.parquet": parquet({"n": [3]}),
        },
        revision="refs/convert/parquet",
    )

    assert "only a loading script, which is never executed" in alone.message
    assert await rows_of(importer) == [{"n": 1}, {"n": 2}]
    assert await rows_of(importer, name="main", split="train") == [{"n": 3}]
    assert "there are: main" in (await refusal(importer, name="other")).message
    old = hub.repos["team/set"].branches["main"]
    hub.add("team/set", {"set.py": b""})
    unread = await refusal(importer, revision=old, max_rows=1)
    assert "leave `revision` out" in unread.message


async def test_types_of_a_table_become_json(hub: StandInHub, importer: Importer) -> None:
    moment = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    image = {"bytes": b"\x89PNG\r\n\x1a\n", "path": "cat.png"}
    columns = {
        "when": pa.array([moment], pa.timestamp("ns", "Europe/Berlin")),
        "day": [date(2026, 3, 29)],
        "price": [Decimal("1.50")],
        "ratio": [float("nan")],
        "raw": [b"\x00\xff"],
        "image": [image],
        "sound": [{"bytes": None, "path": "sounds/a b.wav"}],
        "web": [{"bytes": None, "path": "https://example.com/a.png"}],
        "list": [[{"x": 1}]],
    }
    commit = hub.add("team/set", {"test.parquet": parquet(columns)})

    (row,) = await rows_of(importer)

    assert row == {
        "when": "2026-03-29T01:30:00Z",
        "day": "2026-03-29",
        "price": "1.50",
        "ratio": None,
        "raw": "AP8=",
        "image": "data:image/png;base64,iVBORw0KGgo=",
        "sound": f"{hub.url}/datasets/team/set/resolve/{commit}/sounds/a%20b.wav",
        "web": "https://example.com/a.png",
        "list": [{"x": 1}],
    }


async def test_a_second_run_downloads_nothing(hub: StandInHub, importer: Importer) -> None:
    hub.add("team/set", {"test.parquet": parquet({"n": [1, 2]})})
    first = await resolve(importer)
    hub.seen.clear()

    second = await resolve(importer)
    with calling_as(OTHER_TEAM):
        third = await resolve(importer)

    assert first == second == third
    assert len(hub.seen) == 2
    assert all("/revision/main" in path for path in hub.paths())


async def test_a_branch_that_moved_gives_the_new_rows_and_a_commit_the_old_ones(
    hub: StandInHub, importer: Importer
) -> None:
    old = hub.add("team/set", {"test.jsonl": lines({"n": 1})})
    assert await rows_of(importer) == [{"n": 1}]

    hub.add("team/set", {"test.jsonl": lines({"n": 2})})

    assert await rows_of(importer) == [{"n": 2}]
    assert await rows_of(importer, revision=old) == [{"n": 1}]


async def test_rows_of_a_whole_commit_need_no_hub_once_they_were_read(
    hub: StandInHub, importer: Importer
) -> None:
    commit = hub.add("team/set", {"test.jsonl": lines({"n": 1})})
    before = await resolve(importer, revision=commit)

    hub.down = True

    assert await resolve(importer, revision=commit) == before
    away = await refusal(importer)
    assert "retry the run later" in away.message
    assert "whole commit" in away.message


async def test_max_rows_stops_the_download(hub: StandInHub, importer: Importer) -> None:
    wide = b"x" * 10_000
    many = lines(*({"n": n, "pad": wide.decode()} for n in range(900)))
    groups = parquet({"n": list(range(3_000_000))}, row_group_size=10_000, compression="none")
    hub.add("team/set", {"a.jsonl": many, "b.jsonl": many, "c.parquet": groups})

    assert len(groups) > 20_000_000
    assert len(await rows_of(importer, data_files=["a.jsonl", "b.jsonl"], max_rows=3)) == 3
    assert [row["n"] for row in await rows_of(importer, data_files="c.parquet", max_rows=3)] == [
        0,
        1,
        2,
    ]

    assert not hub.paths("b.jsonl")
    # Of four blocks the first, and the last with the description of the file.
    assert len([seen for seen in hub.seen if seen.host == "storage"]) == 2


async def test_more_than_may_be_downloaded_is_refused(hub: StandInHub, importer: Importer) -> None:
    hub.add("team/set", {"a.jsonl": b"\n" * 50_000_000})

    why = await refusal(importer)

    assert why.message.startswith("a.jsonl: more bytes would have to be downloaded")


async def test_a_hub_that_hiccups_does_not_fail_the_dataset(
    hub: StandInHub, importer: Importer
) -> None:
    content = parquet({"n": list(range(1_000))})
    hub.add("team/set", {"test.parquet": content})
    for part in ("/revision/", "/tree/", "README.md", "resolve/"):
        hub.trouble(part, status=503)
    hub.trouble("signature", cut_at=100)

    assert len(await rows_of(importer)) == 1_000


async def test_what_the_hub_refuses_is_said_with_what_to_do(
    hub: StandInHub, importer: Importer
) -> None:
    hub.add("team/gated", {"test.jsonl": b""}, gated=True)

    gated = await refusal(importer, path="team/gated")
    missing = await refusal(importer, path="team/none")
    branch = await refusal(importer, path="team/secret/../../x")

    assert "IMPORTER_HUB_TOKEN" in gated.message
    assert "check `path` and `revision`" in missing.message
    assert "must be the name of a dataset" in branch.message
    assert {gated.reason, missing.reason, branch.reason} == {"DATASET_ERROR"}
    for error in (gated, missing, branch):
        assert SERVER_TOKEN not in f"{error.message} {error.metadata}"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": }\n', "a.jsonl: line 2 is not valid JSON"),
        ("a.json", b'[{"a": 1}, {"a": }]', "a.json: row 2 is "),
        ("a.json", b'[{"a": 1}', "a.json: row 2 is cut off"),
        ("a.json", b'[{"a": 1}, 2]', "a.json: row 2 is not a JSON object"),
        ("a.csv", b"a,a\n1,2\n", "a.csv: line 1 names the column 'a' twice"),
        ("a.jsonl.gz", b"not gzip", "a.jsonl.gz: is not gzip"),
        ("a.jsonl.gz", gzip.compress(b'{"a":1}')[:-9], "a.jsonl.gz: is cut off"),
        ("a.parquet", b"PAR1 nothing PAR1", "a.parquet: cannot be read as Parquet"),
        ("a.parquet", parquet({"a": ["\x00"]}), "a.parquet: row 1 holds a NUL character"),
        ("a.parquet", parquet({"a": ["x" * 30_000]}), "a.parquet: row 1 makes more than 20000"),
        ("a.parquet", parquet({"a": list(range(1_001))}), "more than 1000 rows; set `max_rows`"),
        ("a.txt", b"text", "no file that can be read"),
    ],
)
async def test_a_bad_file_is_named_with_its_row(
    hub: StandInHub, importer: Importer, name: str, content: bytes, sentence: str
) -> None:
    hub.add("team/set", {name: content})

    error = await refusal(importer)

    assert error.reason == "DATASET_ERROR"
    assert sentence in error.message


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.jsonl", b""), ("a.json", b"[ ]"), ("a.csv", b"a,b\n"), ("a.parquet", parquet({"a": []}))],
)
async def test_a_dataset_without_rows_is_empty(
    hub: StandInHub, importer: Importer, name: str, content: bytes
) -> None:
    hub.add("team/set", {name: content})

    assert (await refusal(importer)).reason == "EMPTY_DATASET"


async def test_an_empty_shard_among_others_is_no_error(hub: StandInHub, importer: Importer) -> None:
    files = {"a.jsonl": b"", "b.jsonl": lines({"n": 1}), "c.jsonl": b"\n"}
    hub.add("team/set", files)

    assert await rows_of(importer) == [{"n": 1}]


async def test_private_data_is_read_with_the_servers_token_which_is_kept_nowhere(
    hub: StandInHub, importer: Importer, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.add("team/secret", {"test.parquet": parquet({"n": [1]})}, private=True)

    assert await rows_of(importer, path="team/secret") == [{"n": 1}]

    assert {seen.token for seen in hub.seen if seen.host == "storage"} == {None}
    assert SERVER_TOKEN.encode() not in stored(importer)
    out, err = capfd.readouterr()
    assert SERVER_TOKEN not in out + err


async def test_a_caller_who_leaves_stops_the_download_and_leaves_nothing(
    hub: StandInHub, importer: Importer
) -> None:
    hub.add("team/set", {"test.jsonl": lines({"n": 1}), "z.parquet": parquet({"n": [1]})})

    for name in ("test.jsonl", "z.parquet"):
        hub.trouble(f"/{name}", delay_s=2)
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(resolve(importer, data_files=name))
            while not hub.paths(f"/{name}"):
                await asyncio.sleep(0.01)
            asking.cancel()

    for _ in range(500):
        left = left_over(importer)
        if not left:
            break
        await asyncio.sleep(0.02)
    assert left == []
    assert await rows_of(importer, data_files="z.parquet") == [{"n": 1}]
