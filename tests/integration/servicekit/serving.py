"""A service of all four shapes of a call behind a real server, and a channel to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from proctor.files.v1 import file_service_pb2 as files_pb
from proctor.files.v1 import file_service_pb2_grpc as files_grpc
from proctor.models.v1 import model_bridge_service_pb2 as bridge_pb
from proctor.models.v1 import model_bridge_service_pb2_grpc as bridge_grpc
from servicekit.caller import Caller, calling_as
from servicekit.client import open_channel
from servicekit.errors import Kind, ServiceError
from servicekit.server import RpcServer

SECRET = b"a secret of thirty-two bytes ..."
CALLER = Caller(org_id="org_1", team_id="team_1", request_id="req_1")
PATIENCE_S = 10


class FileNotFound(ServiceError):
    kind = Kind.NOT_FOUND
    reason = "FILE_NOT_FOUND"


Answer = Callable[[str], Awaitable[files_pb.GetFileResponse]]


async def missing(file_id: str) -> files_pb.GetFileResponse:
    raise FileNotFound(f"file {file_id} is missing", file=file_id, param="file_id")


class Files(files_grpc.FileServiceServicer):
    """Each RPC does what the test told it to."""

    def __init__(self, get: Answer = missing) -> None:
        self.get = get

    async def GetFile(self, request: files_pb.GetFileRequest, context: Any) -> Any:
        return await self.get(request.file_id)

    async def DeleteFile(self, request: files_pb.DeleteFileRequest, context: Any) -> Any:
        await self.get(request.file_id)
        return files_pb.DeleteFileResponse()

    async def DownloadFile(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield files_pb.DownloadFileResponse(chunk=b"a")
        yield files_pb.DownloadFileResponse(chunk=b"b")
        await self.get(request.file_id)

    async def UploadFile(self, request_iterator: Any, context: Any) -> Any:
        count = 0
        async for _ in request_iterator:
            count += 1
        await self.get(str(count))
        return files_pb.UploadFileResponse()

    async def ListFiles(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def BatchGetFiles(self, request: Any, context: Any) -> Any:
        raise NotImplementedError


class Bridge(bridge_grpc.ModelBridgeServiceServicer):
    """Answers each request, and refuses the one with the id `bad`."""

    async def Generate(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        async for request in request_iterator:
            if request.request_id == "bad":
                await missing("bad")
            yield bridge_pb.GenerateResponse(request_id=request.request_id)

    async def RenewRunToken(self, request: Any, context: Any) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class Served:
    server: RpcServer
    channel: grpc.aio.Channel
    files: "files_grpc.FileServiceAsyncStub"
    bridge: "bridge_grpc.ModelBridgeServiceAsyncStub"
    stop: Callable[[], object]


@asynccontextmanager
async def serving(files: Files, **options: Any) -> AsyncIterator[Served]:
    """A running server and stubs that call it as CALLER."""
    server = RpcServer(
        **{"address": "127.0.0.1:0", "secret": SECRET, "services": services(files), **options}
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.run())
        try:
            async with open_channel(f"127.0.0.1:{server.port}", secret=SECRET) as channel:
                with calling_as(CALLER):
                    yield Served(
                        server=server,
                        channel=channel,
                        files=files_grpc.FileServiceStub(channel),
                        bridge=bridge_grpc.ModelBridgeServiceStub(channel),
                        stop=running.cancel,
                    )
        finally:
            running.cancel()


def services(files: Files) -> Sequence[tuple[Callable[[Any, Any], None], Any, str]]:
    return [
        (files_grpc.add_FileServiceServicer_to_server, files, "proctor.files.v1.FileService"),
        (
            bridge_grpc.add_ModelBridgeServiceServicer_to_server,
            Bridge(),
            "proctor.models.v1.ModelBridgeService",
        ),
    ]
