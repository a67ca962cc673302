"""Files as they travel between services."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress

from importer.domain.file import File, NewFile, Owner, new_file, purpose_of
from importer.domain.lookup import Listing, page_limit
from importer.domain.upload import UploadIncomplete
from proctor.files.v1 import file_pb2, file_service_pb2
from servicekit.caller import Caller
from servicekit.errors import ServiceError

CHUNK_BYTES = 1024 * 1024  # most bytes of a file in one message
DRAIN_S = 10.0  # a gateway on the same network sends the largest file in less


def owner_of(caller: Caller) -> Owner:
    """Return whose objects a caller sees."""
    return Owner(org_id=caller.org_id, team_id=caller.team_id)


def file_message(file: File) -> file_pb2.File:
    """Write a file's record as its message."""
    message = file_pb2.File(
        file_id=file.id,
        filename=file.filename,
        purpose=file.purpose,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
    )
    message.create_time.FromDatetime(file.created_at)
    return message


def listing_of(request: file_service_pb2.ListFilesRequest) -> Listing:
    """Read which files to list.

    Raises:
        InvalidPage: the page size is negative.
        InvalidPurpose: the filter is no purpose word.
    """
    return Listing(
        limit=page_limit(request.page.page_size),
        after_id=request.page.after_id,
        ascending=request.order == file_service_pb2.FILE_ORDER_ASC,
        purpose=purpose_of(request.purpose) if request.purpose else None,
        sha256=request.sha256,
    )


async def header_of(requests: AsyncIterator[file_service_pb2.UploadFileRequest]) -> NewFile:
    """Read the first message of an upload.

    Raises:
        UploadIncomplete: it is not a header.
        InvalidFilename, InvalidPurpose, InvalidFileId: it breaks a rule.
    """
    first = await anext(requests, None)
    if first is None or not first.HasField("header"):
        raise UploadIncomplete("an upload begins with its header")
    header = first.header
    return new_file(filename=header.filename, purpose=header.purpose, file_id=header.file_id)


async def content_of(
    requests: AsyncIterator[file_service_pb2.UploadFileRequest],
) -> AsyncGenerator[bytes, None]:
    """Yield the chunks behind the header.

    Raises:
        UploadIncomplete: the stream ended before its end message, or that tells another size.
    """
    size_bytes = 0
    async for request in requests:
        if request.HasField("end"):
            if request.end.size_bytes != size_bytes:
                message = f"{size_bytes} bytes arrived, but {request.end.size_bytes} were sent"
                raise UploadIncomplete(message, size_bytes=size_bytes)
            return
        if not request.HasField("chunk"):
            raise UploadIncomplete("an upload has one header, and it comes first")
        size_bytes += len(request.chunk)
        yield request.chunk
    # A client that was killed looks to gRPC like one that had nothing more to say.
    raise UploadIncomplete("the upload was cut off", size_bytes=size_bytes)


@asynccontextmanager
async def read_to_the_end(
    requests: AsyncIterator[file_service_pb2.UploadFileRequest],
) -> AsyncIterator[None]:
    """Take what is still sent before a refusal leaves the block, for at most 10 s.

    A grpc.aio client whose write fails because the call has ended may report an internal error in
    place of the refusal.
    """
    try:
        yield
    except ServiceError:
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                async for _ in requests:
                    pass
        raise
