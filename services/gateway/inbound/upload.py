"""An upload form on its way into the file service, without ever being in memory as a whole."""

import asyncio
import tempfile
import unicodedata
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from typing import IO, Literal, get_args

from gateway.inbound.rest.multipart import (
    FormInvalid,
    PartBegan,
    PartBytes,
    PartEnded,
    PartEvent,
)
from proctor.files.v1.file_service_pb2 import UploadEnd, UploadFileRequest, UploadHeader
from servicekit.errors import Kind, ServiceError

Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
PURPOSES: tuple[str, ...] = get_args(Purpose)
FILENAME_CHARS_MAX = 255
# WHATWG's placeholder for "no name"; the contract counts it as missing.
PLACEHOLDER_FILENAME = "blob"
# A message costs about 0.2 ms at both ends, so the server's 64 KiB pieces are joined; the service
# takes 1 MiB at most.
CHUNK_BYTES = 512 * 1024
_FIELD_BYTES_MAX = 256


class FileTooLarge(ServiceError):
    """The file has more bytes than this installation takes."""

    kind = Kind.INVALID_ARGUMENT
    reason = "FILE_TOO_LARGE"

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"a file may have {bytes_max} bytes", bytes_max=bytes_max, param="file")


async def upload_messages(
    parts: AsyncIterable[PartEvent], *, bytes_max: int
) -> AsyncIterator[UploadFileRequest]:
    """What the file service is sent for a form: the header, the bytes as they come, the end.

    The parts `purpose` and `file` may come in any order; a file that comes before its purpose waits
    on disk. The end is sent only when the whole form was good, and the service stores nothing
    without it.

    Raises:
        FormInvalid: a part is missing, unknown, repeated or malformed.
        FileTooLarge: the file has more than `bytes_max` bytes.
    """
    form = _Form(bytes_max)
    with tempfile.TemporaryFile() as waiting:
        async for message in _while_it_comes(parts, form, waiting):
            yield message
        form.check_complete()
        for header in form.header_once():
            yield header
        async for piece in _read_again(waiting):
            yield UploadFileRequest(chunk=piece)
    for piece in form.pieces():
        yield UploadFileRequest(chunk=piece)
    yield UploadFileRequest(end=UploadEnd(size_bytes=form.size_bytes))


async def _while_it_comes(
    parts: AsyncIterable[PartEvent], form: "_Form", waiting: IO[bytes]
) -> AsyncIterator[UploadFileRequest]:
    async for part in parts:
        if form.took(part):
            continue
        if form.purpose is None:
            await asyncio.to_thread(waiting.writelines, form.pieces())
            continue
        for header in form.header_once():
            yield header
        for piece in form.pieces():
            yield UploadFileRequest(chunk=piece)


async def _read_again(waiting: IO[bytes]) -> AsyncIterator[bytes]:
    await asyncio.to_thread(waiting.seek, 0)
    while chunk := await asyncio.to_thread(waiting.read, CHUNK_BYTES):
        yield chunk


@dataclass(slots=True)
class _Form:
    """What is known of the form so far."""

    bytes_max: int
    purpose: str | None = None
    filename: str | None = None
    current: str = ""
    seen: set[str] = field(default_factory=set)
    field_bytes: bytes = b""
    size_bytes: int = 0
    pending: bytearray = field(default_factory=bytearray)
    announced: bool = False

    def took(self, part: PartEvent) -> bool:
        """Take one event; False when enough of the file is pending to be sent on."""
        match part:
            case PartBegan():
                self._begin(part)
            case PartBytes() if self.current == "purpose":
                self._append_to_field(part.content)
            case PartBytes():
                return self._append_to_file(part.content)
            case PartEnded() if self.current == "purpose":
                self.purpose = _purpose(self.field_bytes)
            case PartEnded():
                pass
        return True

    def pieces(self) -> list[bytes]:
        """The pending bytes of the file, taken out, in pieces that fit into a message."""
        pending = bytes(self.pending)
        self.pending.clear()
        starts = range(0, len(pending), CHUNK_BYTES)
        return [pending[start : start + CHUNK_BYTES] for start in starts]

    def header_once(self) -> list[UploadFileRequest]:
        """The header, the first time it is asked for."""
        if self.announced:
            return []
        self.announced = True
        header = UploadHeader(filename=self.filename or "", purpose=self.purpose or "")
        return [UploadFileRequest(header=header)]

    def check_complete(self) -> None:
        """Refuse a form that lacks a part."""
        for name in ("purpose", "file"):
            if name not in self.seen:
                raise FormInvalid(
                    f"the part {name!r} is missing", reason="MISSING_FIELD", param=name
                )

    def _begin(self, part: PartBegan) -> None:
        if part.name not in ("purpose", "file"):
            raise FormInvalid(
                f"{part.name} is not a known part", reason="UNKNOWN_FIELD", param=part.name
            )
        if part.name in self.seen:
            raise FormInvalid(f"{part.name} occurs more than once", param=part.name)
        self.seen.add(part.name)
        self.current = part.name
        if part.name == "file":
            self.filename = _filename(part.filename)

    def _append_to_field(self, content: bytes) -> None:
        self.field_bytes += content
        if len(self.field_bytes) > _FIELD_BYTES_MAX:
            raise _unknown_purpose()

    def _append_to_file(self, content: bytes) -> bool:
        self.size_bytes += len(content)
        if self.size_bytes > self.bytes_max:
            raise FileTooLarge(self.bytes_max)
        self.pending += content
        return len(self.pending) < CHUNK_BYTES


def _purpose(raw: bytes) -> str:
    purpose = raw.decode("utf-8", "replace").strip()
    if purpose not in PURPOSES:
        raise _unknown_purpose()
    return purpose


def _unknown_purpose() -> FormInvalid:
    known = ", ".join(PURPOSES)
    return FormInvalid(f"purpose must be one of {known}", reason="INVALID_PURPOSE", param="purpose")


def _filename(sent: str | None) -> str:
    # RFC 7578: a folder in the name says nothing to the receiver.
    name = (sent or "").rpartition("/")[2].strip()
    if not name or name == PLACEHOLDER_FILENAME:
        raise _bad_filename("the file needs a name")
    if len(name) > FILENAME_CHARS_MAX:
        raise _bad_filename(f"a file name has at most {FILENAME_CHARS_MAX} characters")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise _bad_filename("a file name has no control characters")
    return name


def _bad_filename(message: str) -> FormInvalid:
    return FormInvalid(message, reason="INVALID_FILENAME", param="file")
