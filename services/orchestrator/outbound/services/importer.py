"""The importer: what a team uploaded, and datasets turned into rows."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import grpc

from blobstore.store import BlobStore
from orchestrator.domain.work import FileFacts
from proctor.files.v1.file_service_pb2 import (
    BatchGetFilesRequest,
    DeleteFileRequest,
    DownloadFileRequest,
    UploadEnd,
    UploadFileRequest,
    UploadHeader,
)
from proctor.files.v1.file_service_pb2_grpc import FileServiceStub
from proctor.imports.v1.import_service_pb2 import ResolveDatasetRequest
from proctor.imports.v1.import_service_pb2_grpc import ImportServiceStub
from servicekit.errors import Kind, ServiceError

_LOOKUP_TIMEOUT_S = 10.0
_LOOKUP_MAX = 1_000
_DOWNLOAD_TIMEOUT_S = 60.0
_RESOLVE_TIMEOUT_S = 600.0
_UPLOAD_TIMEOUT_S = 3600.0
_CHUNK_BYTES_MAX = 1024 * 1024

_FILE_ID_TAKEN = "FILE_ID_TAKEN"
_ARTIFACT_PURPOSE = "evals"


class ProgramTooLarge(ServiceError):
    """An uploaded program is larger than a program may be."""

    kind = Kind.INVALID_ARGUMENT
    reason = "PROGRAM_TOO_LARGE"


class GrpcFiles:
    """Files of the current caller's team."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: Any = FileServiceStub(channel)

    async def lookup(self, file_ids: Sequence[str]) -> Mapping[str, FileFacts]:
        """Return what is known of files; those that the team does not have are missing."""
        found: dict[str, FileFacts] = {}
        for start in range(0, len(file_ids), _LOOKUP_MAX):
            request = BatchGetFilesRequest(file_ids=file_ids[start : start + _LOOKUP_MAX])
            answer = await self._stub.BatchGetFiles(request, timeout=_LOOKUP_TIMEOUT_S)
            for file in answer.files:
                found[file.file_id] = FileFacts(
                    filename=file.filename, purpose=file.purpose, size_bytes=file.size_bytes
                )
        return found

    async def read(self, file_id: str, *, bytes_max: int) -> bytes:
        """Return a file's content, or raise ProgramTooLarge."""
        request = DownloadFileRequest(file_id=file_id)
        call = self._stub.DownloadFile(request, timeout=_DOWNLOAD_TIMEOUT_S)
        content = bytearray()
        try:
            async for part in call:
                content += part.chunk
                if len(content) > bytes_max:
                    message = f"the file {file_id} has more than {bytes_max} bytes"
                    raise ProgramTooLarge(message, file_id=file_id, bytes_max=bytes_max)
        finally:
            call.cancel()
        return bytes(content)

    async def store(self, file_id: str, filename: str, chunks: AsyncIterator[bytes]) -> None:
        """Store a file under an id of our choice.

        Raises:
            FileIdTaken: another content is stored under it; whoever knows better may `delete` it.
        """
        header = UploadHeader(filename=filename, purpose=_ARTIFACT_PURPOSE, file_id=file_id)
        await self._stub.UploadFile(_parts(header, chunks), timeout=_UPLOAD_TIMEOUT_S)

    async def delete(self, file_id: str) -> None:
        """Delete a file."""
        await self._stub.DeleteFile(DeleteFileRequest(file_id=file_id), timeout=_LOOKUP_TIMEOUT_S)


class StoredDatasets:
    """Datasets, resolved by the importer and read from the object store that both know."""

    def __init__(self, channel: grpc.aio.Channel, blobs: BlobStore) -> None:
        self._stub: Any = ImportServiceStub(channel)
        self._blobs = blobs

    async def resolve(self, dataset_json: bytes) -> str:
        """Return the name of the blob that holds a dataset's rows, made when it is missing."""
        request = ResolveDatasetRequest(dataset_json=dataset_json)
        answer = await self._stub.ResolveDataset(request, timeout=_RESOLVE_TIMEOUT_S)
        return str(answer.rows_sha256)

    async def rows(self, sha256: str) -> AsyncIterator[Sequence[bytes]]:
        """Yield rows in batches, one JSON object each."""
        async for lines in self._blobs.read_lines(sha256):
            yield [line for line in lines if line]


def is_taken(error: ServiceError) -> bool:
    """Tell whether an upload was refused because its id has another content."""
    return error.reason == _FILE_ID_TAKEN


async def _parts(
    header: UploadHeader, chunks: AsyncIterator[bytes]
) -> AsyncIterator[UploadFileRequest]:
    yield UploadFileRequest(header=header)
    size_bytes = 0
    async for chunk in chunks:
        for piece in _pieces(chunk):
            size_bytes += len(piece)
            yield UploadFileRequest(chunk=piece)
    yield UploadFileRequest(end=UploadEnd(size_bytes=size_bytes))


def _pieces(chunk: bytes) -> Iterator[bytes]:
    for start in range(0, len(chunk), _CHUNK_BYTES_MAX):
        yield chunk[start : start + _CHUNK_BYTES_MAX]
