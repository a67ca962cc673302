"""FileService: files over gRPC."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import grpc

from blobstore.store import BlobStore
from importer.inbound.files_wire import (
    CHUNK_BYTES,
    content_of,
    file_message,
    header_of,
    listing_of,
    owner_of,
    read_to_the_end,
)
from importer.ports import Files
from importer.usecases.delete_file import DeleteFile
from importer.usecases.find_files import get_file, get_files
from importer.usecases.upload_file import UploadFile
from proctor.common.v1 import page_pb2
from proctor.files.v1 import file_service_pb2 as pb
from proctor.files.v1 import file_service_pb2_grpc as rpc
from servicekit.caller import current_caller


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRpc(rpc.FileServiceServicer):
    """Serves the team of the caller."""

    files: Files
    blobs: BlobStore
    upload: UploadFile
    delete: DeleteFile

    async def UploadFile(
        self,
        request_iterator: AsyncIterator[pb.UploadFileRequest],
        _context: grpc.aio.ServicerContext[pb.UploadFileRequest, pb.UploadFileResponse],
    ) -> pb.UploadFileResponse:
        """Store a file."""
        requests = aiter(request_iterator)
        async with read_to_the_end(requests):
            new = await header_of(requests)
            async with aclosing(content_of(requests)) as chunks:
                file = await self.upload(owner_of(current_caller()), new, chunks)
        return pb.UploadFileResponse(file=file_message(file))

    async def ListFiles(
        self,
        request: pb.ListFilesRequest,
        _context: grpc.aio.ServicerContext[pb.ListFilesRequest, pb.ListFilesResponse],
    ) -> pb.ListFilesResponse:
        """List the team's files."""
        page = await self.files.page(owner_of(current_caller()), listing_of(request))
        return pb.ListFilesResponse(
            files=[file_message(file) for file in page.files],
            page=page_pb2.PageInfo(has_more=page.has_more),
        )

    async def GetFile(
        self,
        request: pb.GetFileRequest,
        _context: grpc.aio.ServicerContext[pb.GetFileRequest, pb.GetFileResponse],
    ) -> pb.GetFileResponse:
        """Get one record."""
        file = await get_file(self.files, owner_of(current_caller()), request.file_id)
        return pb.GetFileResponse(file=file_message(file))

    async def BatchGetFiles(
        self,
        request: pb.BatchGetFilesRequest,
        _context: grpc.aio.ServicerContext[pb.BatchGetFilesRequest, pb.BatchGetFilesResponse],
    ) -> pb.BatchGetFilesResponse:
        """Get the records that are there."""
        found = await get_files(self.files, owner_of(current_caller()), request.file_ids)
        return pb.BatchGetFilesResponse(files=[file_message(file) for file in found])

    async def DownloadFile(
        self,
        request: pb.DownloadFileRequest,
        _context: grpc.aio.ServicerContext[pb.DownloadFileRequest, pb.DownloadFileResponse],
    ) -> AsyncIterator[pb.DownloadFileResponse]:
        """Stream the record and then the bytes."""
        file = await get_file(self.files, owner_of(current_caller()), request.file_id)
        yield pb.DownloadFileResponse(file=file_message(file))
        async for part in self.blobs.get_stream(file.sha256):
            for start in range(0, len(part), CHUNK_BYTES):
                yield pb.DownloadFileResponse(chunk=part[start : start + CHUNK_BYTES])

    async def DeleteFile(
        self,
        request: pb.DeleteFileRequest,
        _context: grpc.aio.ServicerContext[pb.DeleteFileRequest, pb.DeleteFileResponse],
    ) -> pb.DeleteFileResponse:
        """Delete a file."""
        await self.delete(owner_of(current_caller()), request.file_id)
        return pb.DeleteFileResponse()
