"""The collection /files: upload, list, get, download, delete."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from gateway.domain.scopes import Scope
from gateway.inbound.download import CONTENT_TYPES, FileDownload
from gateway.inbound.resources.files import FileDeleted, FileList, FileObject, file_object
from gateway.inbound.rest.access import Access, CurrentCaller
from gateway.inbound.rest.asking import ask, while_connected
from gateway.inbound.rest.bodies import BodyTimeout
from gateway.inbound.rest.multipart import boundary_of, read_parts
from gateway.inbound.rest.operations import Operation, router_of
from gateway.inbound.rest.paging import FILE_LIMIT_DEFAULT, After, FileLimit, page_request
from gateway.inbound.upload import PURPOSES, FileTooLarge, Purpose, paced, upload_messages
from proctor.files.v1 import file_service_pb2 as pb
from servicekit.caller import calling_as

if TYPE_CHECKING:  # these classes are in the stubs only
    from proctor.files.v1.file_service_pb2_grpc import FileServiceAsyncStub

# Bytes of a form besides the file's: boundaries, part headers, the purpose.
FORM_OVERHEAD_BYTES_MAX = 64 * 1024
# A client that sends nothing for this long has gone or hangs.
UPLOAD_IDLE_S = 60.0
# 512 MiB at 150 kB/s; a transfer that is slower than that blocks more than it serves.
TRANSFER_S = 3600.0

_ORDERS = {"asc": pb.FILE_ORDER_ASC, "desc": pb.FILE_ORDER_DESC}

_UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["purpose", "file"],
                    "properties": {
                        "purpose": {"type": "string", "enum": list(PURPOSES)},
                        "file": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "description": "Needs a file name, other than `blob`.",
                        },
                    },
                },
                "example": {"purpose": "evals", "file": "rows.jsonl"},
            }
        },
    }
}
_RAW_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The stored bytes; the content type follows from the file's name.",
        "content": {kind: {"schema": {}} for kind in CONTENT_TYPES},
    }
}


class FileRoutes:
    """Operations on the team's files, answered by the file service."""

    def __init__(
        self, files: "FileServiceAsyncStub", access: Access, *, upload_bytes_max: int
    ) -> None:
        self._files = files
        self._access = access
        self._upload_bytes_max = upload_bytes_max

    def router(self) -> APIRouter:
        """The routes with their documentation."""
        collection, one = "/files", "/files/{file_id}"
        operations = (
            Operation(
                id="uploadFile",
                method="POST",
                path=collection,
                endpoint=self.upload,
                scope=Scope.WRITE_FILES,
                answer=FileObject,
                body=_UPLOAD_FORM,
                errors=(413,),
            ),
            Operation(
                id="listFiles",
                method="GET",
                path=collection,
                endpoint=self.list_files,
                scope=Scope.READ_FILES,
                answer=FileList,
            ),
            Operation(
                id="getFile",
                method="GET",
                path=one,
                endpoint=self.get,
                scope=Scope.READ_FILES,
                answer=FileObject,
                errors=(404,),
            ),
            Operation(
                id="getFileContent",
                method="GET",
                path=f"{one}/content",
                endpoint=self.download,
                scope=Scope.READ_FILES,
                errors=(404,),
                responses=_RAW_CONTENT,
            ),
            Operation(
                id="deleteFile",
                method="DELETE",
                path=one,
                endpoint=self.delete,
                scope=Scope.WRITE_FILES,
                answer=FileDeleted,
                errors=(404,),
            ),
        )
        return router_of("files", operations, self._access)

    async def upload(self, request: Request, caller: CurrentCaller) -> FileObject:
        """Upload a file.

        Nothing is stored unless the whole form arrives. The content is not looked at; a dataset or
        grader is checked when a manifest names it.
        """
        boundary = boundary_of(request.headers.get("content-type", ""))
        body_read = asyncio.Event()
        parts = read_parts(paced(self._chunks(request, body_read)), boundary)
        messages = upload_messages(parts, bytes_max=self._upload_bytes_max)
        with calling_as(caller):
            storing = self._files.UploadFile(messages, timeout=TRANSFER_S)
        stored = await while_connected(request, storing, body_read)
        return file_object(stored.file)

    async def list_files(
        self,
        caller: CurrentCaller,
        after: After = None,
        limit: FileLimit = FILE_LIMIT_DEFAULT,
        order: Literal["asc", "desc"] = "desc",
        purpose: Purpose | None = None,
        sha256: Annotated[str | None, Query(max_length=64)] = None,
    ) -> FileList:
        """List the team's files by creation time."""
        question = pb.ListFilesRequest(
            page=page_request(after, limit),
            order=_ORDERS[order],
            purpose=purpose or "",
            sha256=sha256 or "",
        )
        answer = await ask(caller, self._files.ListFiles, question)
        files = [file_object(file) for file in answer.files]
        return FileList.of(files, has_more=answer.page.has_more)

    async def get(self, caller: CurrentCaller, file_id: str) -> FileObject:
        """Get a file's record."""
        answer = await ask(caller, self._files.GetFile, pb.GetFileRequest(file_id=file_id))
        return file_object(answer.file)

    async def download(self, caller: CurrentCaller, file_id: str) -> Response:
        """Download a file's content.

        The bytes come back unchanged.
        """
        with calling_as(caller):
            call = self._files.DownloadFile(
                pb.DownloadFileRequest(file_id=file_id), timeout=TRANSFER_S
            )
        return await FileDownload.begun(call)

    async def delete(self, caller: CurrentCaller, file_id: str) -> FileDeleted:
        """Delete a file.

        Suite versions that name it stay; a later run of them fails.
        """
        await ask(caller, self._files.DeleteFile, pb.DeleteFileRequest(file_id=file_id))
        return FileDeleted(id=file_id)

    async def _chunks(self, request: Request, body_read: asyncio.Event) -> AsyncIterator[bytes]:
        bytes_max = self._upload_bytes_max + FORM_OVERHEAD_BYTES_MAX
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > bytes_max:
            raise FileTooLarge(self._upload_bytes_max)
        received = 0
        stream = aiter(request.stream())
        while chunk := await _next_chunk(stream):
            received += len(chunk)
            if received > bytes_max:
                raise FileTooLarge(self._upload_bytes_max)
            yield chunk
        body_read.set()


async def _next_chunk(stream: AsyncIterator[bytes]) -> bytes:
    # Empty when the body has ended; the server never sends an empty piece before that.
    try:
        async with asyncio.timeout(UPLOAD_IDLE_S):
            return await anext(stream, b"")
    except TimeoutError:
        raise BodyTimeout(f"nothing arrived for {UPLOAD_IDLE_S:g} s") from None
