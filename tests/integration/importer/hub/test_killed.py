"""An importer that is killed leaves no reader of Parquet files and no temporary file behind."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from hub.stand_in import StandInHub
from integration.importer.conftest import SECRET, TEAM
from integration.importer.hub.conftest import SERVER_TOKEN
from integration.importer.hub.test_hub_datasets import parquet
from localstack.ports import free_port
from proctor.imports.v1 import import_service_pb2 as pb
from proctor.imports.v1.import_service_pb2_grpc import ImportServiceStub
from servicekit.caller import calling_as
from servicekit.client import open_channel
from servicekit.errors import ServiceError


@asynccontextmanager
async def started(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "importer", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def resolve(address: str) -> int:
    raw = json.dumps({"source": "huggingface", "path": "team/set"}).encode()
    async with open_channel(address, secret=SECRET.encode()) as channel:
        await channel.channel_ready()
        with calling_as(TEAM):
            answer = await ImportServiceStub(channel).ResolveDataset(
                pb.ResolveDatasetRequest(dataset_json=raw)
            )
    return int(answer.row_count)


def readers(importer: int) -> list[Path]:
    """Readers of an importer, as their places in /proc."""
    children = Path(f"/proc/{importer}/task").glob("*/children")
    found = [Path("/proc") / pid for path in children for pid in path.read_text().split()]
    return [path for path in found if is_reader(path)]


def is_reader(path: Path) -> bool:
    try:
        return b"parquet.worker" in (path / "cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.timeout(180)
async def test_a_killed_importer_leaves_nothing_and_another_begins_anew(
    hub: StandInHub, postgres_dsn: str, blob_url: str, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    hub.add("team/set", {"test.parquet": parquet({"n": [1, 2, 3]})})
    hub.trouble("signature", delay_s=3)
    address = f"127.0.0.1:{free_port()}"
    environment = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TMPDIR": str(scratch),
        "IMPORTER_RPC_ADDRESS": address,
        "IMPORTER_INTERNAL_SECRET": SECRET,
        "IMPORTER_POSTGRES_DSN": postgres_dsn,
        "IMPORTER_BLOB_URL": blob_url,
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": SERVER_TOKEN,
    }

    async with started(environment) as process, asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(_lost(address))
        while not any(seen.host == "storage" for seen in hub.seen):
            await asyncio.sleep(0.02)
        (reader,) = readers(process.pid)
        process.kill()
        await asking

    while is_reader(reader):
        await asyncio.sleep(0.02)
    assert list(scratch.iterdir()) == []
    async with started(environment):
        assert await resolve(address) == 3


async def _lost(address: str) -> None:
    with pytest.raises((ServiceError, grpc.aio.AioRpcError)):
        await resolve(address)
