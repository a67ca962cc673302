"""An importer over a real Postgres and a real folder, called over gRPC."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from blobstore.store import BlobStore
from importer.app.service import build
from importer.settings import Settings
from proctor.files.v1 import file_pb2, file_service_pb2
from proctor.files.v1.file_service_pb2_grpc import FileServiceStub
from proctor.imports.v1.import_service_pb2_grpc import ImportServiceStub
from servicekit.caller import Caller, calling_as
from servicekit.client import open_channel
from servicekit.server import RpcServer

if TYPE_CHECKING:  # the generated stubs know them; at run time there is one class for both
    from proctor.files.v1.file_service_pb2_grpc import FileServiceAsyncStub
    from proctor.imports.v1.import_service_pb2_grpc import ImportServiceAsyncStub

SECRET = "s" * 32
MAX_FILE_BYTES = 5_000_000
TEAM = Caller(org_id="org", team_id="team")
OTHER_TEAM = Caller(org_id="org", team_id="other")


@dataclass(frozen=True)
class Importer:
    """A running importer as a team sees it."""

    files: "FileServiceAsyncStub"
    imports: "ImportServiceAsyncStub"
    blobs: BlobStore
    blob_folder: str
    target: str

    async def upload(
        self, content: bytes, *, name: str = "a.jsonl", purpose: str = "evals", file_id: str = ""
    ) -> file_pb2.File:
        """Upload in chunks of 100 kB."""
        header = file_service_pb2.UploadHeader(filename=name, purpose=purpose, file_id=file_id)
        steps = range(0, len(content), 100_000)
        answer = await self.files.UploadFile(
            messages(header, (content[at : at + 100_000] for at in steps), size=len(content))
        )
        return answer.file


async def messages(
    header: file_service_pb2.UploadHeader, chunks: Iterable[bytes], *, size: int
) -> AsyncIterator[file_service_pb2.UploadFileRequest]:
    """Yield the messages of a whole upload."""
    yield file_service_pb2.UploadFileRequest(header=header)
    for chunk in chunks:
        yield file_service_pb2.UploadFileRequest(chunk=chunk)
    yield file_service_pb2.UploadFileRequest(end=file_service_pb2.UploadEnd(size_bytes=size))


@pytest.fixture
def settings(postgres_dsn: str, blob_url: str) -> Settings:
    return Settings(
        rpc_address="127.0.0.1:0",
        internal_secret=SecretStr(SECRET),
        postgres_dsn=SecretStr(postgres_dsn),
        blob_url=SecretStr(blob_url),
        max_file_bytes=MAX_FILE_BYTES,
        max_row_bytes=20_000,
        max_rows=1_000,
        max_rows_bytes=1_000_000,
    )


@pytest.fixture
async def importer(settings: Settings, blob_url: str) -> AsyncIterator[Importer]:
    """An importer called by TEAM unless a test says otherwise."""
    async with build(settings) as loops, asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(loop.run()) for loop in loops]
        server = next(loop for loop in loops if isinstance(loop, RpcServer))
        target = f"127.0.0.1:{server.port}"
        async with open_channel(target, secret=SECRET.encode()) as channel:
            with calling_as(TEAM):
                yield Importer(
                    files=FileServiceStub(channel),
                    imports=ImportServiceStub(channel),
                    blobs=BlobStore.open(blob_url),
                    blob_folder=blob_url.removeprefix("file://"),
                    target=target,
                )
        for task in running:
            task.cancel()
