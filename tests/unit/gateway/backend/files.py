"""A file service that keeps everything in memory and refuses what the real one refuses."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from proctor.common.v1.page_pb2 import PageInfo
from proctor.files.v1 import file_pb2
from proctor.files.v1 import file_service_pb2 as pb
from proctor.files.v1.file_service_pb2_grpc import FileServiceServicer
from servicekit.caller import Caller, current_caller
from servicekit.errors import Kind, ServiceError
from servicekit.ids import new_id
from unit.gateway.backend.paging import page_of

CHUNK_BYTES = 64 * 1024


class FileNotFound(ServiceError):
    kind = Kind.NOT_FOUND
    reason = "FILE_NOT_FOUND"


class UploadIncomplete(ServiceError):
    kind = Kind.INVALID_ARGUMENT
    reason = "UPLOAD_INCOMPLETE"


class FakeFiles(FileServiceServicer):
    def __init__(self) -> None:
        self.callers: list[Caller] = []
        self.upload_begun = asyncio.Event()
        self.upload_ended = asyncio.Event()
        self.hold: asyncio.Event | None = None
        self.held = asyncio.Event()
        self.largest_chunk = 0
        self.trouble: ServiceError | None = None
        self._stored: dict[tuple[str, str], tuple[file_pb2.File, bytes]] = {}

    @property
    def stored(self) -> list[bytes]:
        return [content for _, content in self._stored.values()]

    async def UploadFile(
        self, request_iterator: AsyncIterator[pb.UploadFileRequest], context: Any
    ) -> pb.UploadFileResponse:
        self._begin()
        self.upload_begun.set()
        try:
            return pb.UploadFileResponse(file=await self._store(request_iterator))
        finally:
            self.upload_ended.set()

    async def _store(self, request_iterator: AsyncIterator[pb.UploadFileRequest]) -> file_pb2.File:
        header, content, ended = pb.UploadHeader(), bytearray(), False
        async for message in request_iterator:
            match message.WhichOneof("part"):
                case "header":
                    header = message.header
                case "chunk":
                    content += message.chunk
                    self.largest_chunk = max(self.largest_chunk, len(message.chunk))
                case "end":
                    ended = message.end.size_bytes == len(content)
        if self.hold:
            self.held.set()
            await self.hold.wait()
        if not ended:
            raise UploadIncomplete("the upload has no end")
        file = file_pb2.File(
            file_id=new_id("file"),
            filename=header.filename,
            purpose=header.purpose,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        file.create_time.FromSeconds(1_790_000_000 + len(self._stored))
        self._stored[(current_caller().team_id, file.file_id)] = (file, bytes(content))
        return file

    async def ListFiles(self, request: pb.ListFilesRequest, context: Any) -> pb.ListFilesResponse:
        self._begin()
        files = [
            file
            for (team, _), (file, _) in self._stored.items()
            if team == current_caller().team_id
            and request.purpose in ("", file.purpose)
            and request.sha256 in ("", file.sha256)
        ]
        if request.order != pb.FILE_ORDER_ASC:
            files.reverse()
        page, has_more = page_of(files, request.page, lambda file: file.file_id)
        return pb.ListFilesResponse(files=page, page=PageInfo(has_more=has_more))

    async def GetFile(self, request: pb.GetFileRequest, context: Any) -> pb.GetFileResponse:
        self._begin()
        return pb.GetFileResponse(file=self._find(request.file_id)[0])

    async def BatchGetFiles(
        self, request: pb.BatchGetFilesRequest, context: Any
    ) -> pb.BatchGetFilesResponse:
        self._begin()
        team = current_caller().team_id
        found = [self._stored.get((team, file_id)) for file_id in request.file_ids]
        return pb.BatchGetFilesResponse(files=[entry[0] for entry in found if entry])

    async def DownloadFile(
        self, request: pb.DownloadFileRequest, context: Any
    ) -> AsyncIterator[pb.DownloadFileResponse]:
        self._begin()
        file, content = self._find(request.file_id)
        yield pb.DownloadFileResponse(file=file)
        for start in range(0, len(content), CHUNK_BYTES):
            yield pb.DownloadFileResponse(chunk=content[start : start + CHUNK_BYTES])

    async def DeleteFile(
        self, request: pb.DeleteFileRequest, context: Any
    ) -> pb.DeleteFileResponse:
        self._begin()
        self._find(request.file_id)
        del self._stored[(current_caller().team_id, request.file_id)]
        return pb.DeleteFileResponse()

    def _begin(self) -> None:
        self.callers.append(current_caller())
        if self.trouble:
            raise self.trouble

    def _find(self, file_id: str) -> tuple[file_pb2.File, bytes]:
        found = self._stored.get((current_caller().team_id, file_id))
        if found is None:
            raise FileNotFound(f"there is no file {file_id}", param="file_id")
        return found
