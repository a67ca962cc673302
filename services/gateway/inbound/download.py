"""A file's bytes on their way to the client, as they come from the file service."""

from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Self
from urllib.parse import quote

import grpc.aio
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from proctor.files.v1.file_pb2 import File
from proctor.files.v1.file_service_pb2 import DownloadFileRequest, DownloadFileResponse

_DownloadCall = grpc.aio.UnaryStreamCall[DownloadFileRequest, DownloadFileResponse]

# The published client accepts only the types of this list, and never application/octet-stream.
_CONTENT_TYPE_BY_SUFFIX = {
    ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl",
    ".json": "application/json",
    ".csv": "text/csv",
    ".py": "text/x-python",
    ".md": "text/markdown",
}
_CONTENT_TYPE_DEFAULT = "text/plain"
CONTENT_TYPES = sorted({*_CONTENT_TYPE_BY_SUFFIX.values(), _CONTENT_TYPE_DEFAULT})


class FileDownload(StreamingResponse):
    """Streams a file; a client that hangs up ends the call to the file service."""

    def __init__(
        self, call: _DownloadCall, chunks: AsyncIterator[DownloadFileResponse], file: File
    ) -> None:
        super().__init__(
            _contents(chunks),
            headers={
                "content-length": str(file.size_bytes),
                "content-disposition": content_disposition(file.filename),
                # The content is the team's own: no browser shall take it for a page of ours.
                "x-content-type-options": "nosniff",
            },
            media_type=content_type(file.filename),
        )
        self._call = call

    @classmethod
    async def begun(cls, call: _DownloadCall) -> Self:
        """The download, once the file service has found the file.

        Raises:
            RemoteError: there is no such file, or the service cannot be reached.
        """
        chunks = aiter(call)
        first = await anext(chunks)
        return cls(call, chunks, first.file)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._call.cancel()


def content_type(filename: str) -> str:
    """The media type a file is served with, by the end of its name."""
    return _CONTENT_TYPE_BY_SUFFIX.get(
        PurePosixPath(filename).suffix.lower(), _CONTENT_TYPE_DEFAULT
    )


def content_disposition(filename: str) -> str:
    """The header that gives a download its name, also for names beyond ASCII (RFC 6266)."""
    plain = "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in filename
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


async def _contents(chunks: AsyncIterator[DownloadFileResponse]) -> AsyncIterator[bytes]:
    async for message in chunks:
        yield message.chunk
