"""An importer on loopback: files in memory, rows in the real object store."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

from blobstore.store import BlobStore
from proctor.files.v1 import file_pb2
from proctor.files.v1 import file_service_pb2 as pb
from proctor.files.v1.file_service_pb2_grpc import FileServiceServicer
from proctor.imports.v1 import import_service_pb2 as imports_pb
from proctor.imports.v1.import_service_pb2_grpc import ImportServiceServicer
from servicekit.caller import current_caller
from servicekit.errors import Kind, ServiceError


class FileNotFound(ServiceError):
    kind = Kind.NOT_FOUND
    reason = "FILE_NOT_FOUND"


class DatasetError(ServiceError):
    kind = Kind.INVALID_ARGUMENT
    reason = "DATASET_ERROR"


class FileIdTaken(ServiceError):
    kind = Kind.ALREADY_EXISTS
    reason = "FILE_ID_TAKEN"


class FileTooLarge(ServiceError):
    kind = Kind.INVALID_ARGUMENT
    reason = "FILE_TOO_LARGE"


class FakeImporter(FileServiceServicer, ImportServiceServicer):
    """Files by team; a dataset is a JSONL file."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self.files: dict[tuple[str, str], tuple[file_pb2.File, bytes]] = {}
        self.resolved = 0
        self.uploads = 0
        self.too_large = False
        self.may_store = asyncio.Event()
        self.may_store.set()

    def add(
        self, file_id: str, content: bytes, *, name: str = "rows.jsonl", team: str = "team"
    ) -> str:
        self._keep(team, file_id, name, content)
        return file_id

    def add_rows(self, file_id: str, rows: list[dict[str, Any]], *, team: str = "team") -> str:
        content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        return self.add(file_id, content, team=team)

    def content(self, file_id: str, *, team: str = "team") -> bytes:
        return self.files[team, file_id][1]

    async def UploadFile(
        self, request_iterator: AsyncIterator[pb.UploadFileRequest], context: Any
    ) -> pb.UploadFileResponse:
        team = current_caller().team_id
        header, content, whole = pb.UploadHeader(), b"", False
        async for request in request_iterator:
            part = request.WhichOneof("part")
            if part == "header":
                header = request.header
            elif part == "chunk":
                content += request.chunk
            else:
                whole = request.end.size_bytes == len(content)
        assert whole
        await self.may_store.wait()
        if self.too_large:
            raise FileTooLarge("the file is too large")
        self.uploads += 1
        known = self.files.get((team, header.file_id))
        if known is not None and known[1] != content:
            raise FileIdTaken("the file id is taken")
        file = self._keep(team, header.file_id, header.filename, content)
        return pb.UploadFileResponse(file=file)

    async def ListFiles(self, request: pb.ListFilesRequest, context: Any) -> pb.ListFilesResponse:
        raise NotImplementedError

    async def GetFile(self, request: pb.GetFileRequest, context: Any) -> pb.GetFileResponse:
        raise NotImplementedError

    async def BatchGetFiles(
        self, request: pb.BatchGetFilesRequest, context: Any
    ) -> pb.BatchGetFilesResponse:
        team = current_caller().team_id
        found = [self.files.get((team, file_id)) for file_id in request.file_ids]
        return pb.BatchGetFilesResponse(files=[entry[0] for entry in found if entry])

    async def DownloadFile(
        self, request: pb.DownloadFileRequest, context: Any
    ) -> AsyncIterator[pb.DownloadFileResponse]:
        file, content = self._owned(request.file_id)
        yield pb.DownloadFileResponse(file=file)
        yield pb.DownloadFileResponse(chunk=content)

    async def DeleteFile(
        self, request: pb.DeleteFileRequest, context: Any
    ) -> pb.DeleteFileResponse:
        self._owned(request.file_id)
        del self.files[current_caller().team_id, request.file_id]
        return pb.DeleteFileResponse()

    async def ResolveDataset(
        self, request: imports_pb.ResolveDatasetRequest, context: Any
    ) -> imports_pb.ResolveDatasetResponse:
        dataset = json.loads(request.dataset_json)
        _, content = self._owned(dataset["file_id"])
        rows = [row for row in content.split(b"\n") if row]
        for number, row in enumerate(rows, 1):
            try:
                json.loads(row)
            except ValueError:
                raise DatasetError(f"line {number} is not JSON") from None
        self.resolved += 1

        async def chunks() -> AsyncIterator[bytes]:
            yield b"".join(row + b"\n" for row in rows)

        blob = await self._blobs.put_stream(chunks(), max_bytes=1 << 30)
        return imports_pb.ResolveDatasetResponse(
            rows_sha256=blob.sha256, row_count=len(rows), size_bytes=blob.size_bytes
        )

    def _owned(self, file_id: str) -> tuple[file_pb2.File, bytes]:
        entry = self.files.get((current_caller().team_id, file_id))
        if entry is None:
            raise FileNotFound(f"there is no file {file_id}")
        return entry

    def _keep(self, team: str, file_id: str, name: str, content: bytes) -> file_pb2.File:
        file = file_pb2.File(
            file_id=file_id,
            filename=name,
            purpose="evals",
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        self.files[team, file_id] = (file, content)
        return file
