"""An upload form on its way into the file service, without ever being in memory as a whole."""

import asyncio
import tempfile
import threading
import unicodedata
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from typing import IO, Literal, Self, get_args

from gateway.inbound.rest.bodies import BodyTimeout
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
# Files that wait on disk for their purpose, in the whole process; each may be of the largest size.
WAITING_FILES_MAX = 4
# A client whose body comes slower than 1 KiB/s, over a minute of waiting for it, does not want to
# finish.
PACE_WINDOW_S = 60.0
PACE_BYTES_MIN = 60 * 1024
_FIELD_BYTES_MAX = 256

_places_on_disk = threading.BoundedSemaphore(WAITING_FILES_MAX)


class FileTooLarge(ServiceError):
    """The file has more bytes than this installation takes."""

    kind = Kind.INVALID_ARGUMENT
    reason = "FILE_TOO_LARGE"

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"a file may have {bytes_max} bytes", bytes_max=bytes_max, param="file")


class TooManyFilesWaiting(ServiceError):
    """As many files as may wait on disk for their purpose do so already."""

    kind = Kind.UNAVAILABLE
    reason = "TOO_MANY_FILES_WAITING"

    def __init__(self) -> None:
        super().__init__(
            "too many files wait for their purpose; send the purpose first, or try again",
            param="purpose",
        )


async def paced(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """A body's chunks, for as long as they come fast enough.

    Only the time counts in which we wait for the client, not what happens with its bytes. Silence
    is not noticed before it ends.

    Raises:
        BodyTimeout: fewer than `PACE_BYTES_MIN` bytes came in `PACE_WINDOW_S` of waiting.
    """
    now = asyncio.get_running_loop().time
    waited_s, received = 0.0, 0
    asked_at = now()
    async for chunk in chunks:
        waited_s += now() - asked_at
        received += len(chunk)
        if waited_s >= PACE_WINDOW_S:
            if received < PACE_BYTES_MIN:
                raise BodyTimeout(f"only {received} bytes arrived in {waited_s:.0f} s")
            waited_s, received = 0.0, 0
        yield chunk
        asked_at = now()


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
        TooManyFilesWaiting: it would have to wait on disk, and no place is left.
    """
    form = _Form(bytes_max)
    with _WaitingFile() as waiting:
        async for message in _while_it_comes(parts, form, waiting):
            yield message
        form.check_complete()
        for header in form.header_once():
            yield header
        async for piece in waiting.pieces():
            yield UploadFileRequest(chunk=piece)
    for piece in form.pieces():
        yield UploadFileRequest(chunk=piece)
    yield UploadFileRequest(end=UploadEnd(size_bytes=form.size_bytes))


async def _while_it_comes(
    parts: AsyncIterable[PartEvent], form: "_Form", waiting: "_WaitingFile"
) -> AsyncIterator[UploadFileRequest]:
    async for part in parts:
        if form.took(part):
            continue
        if form.purpose is None:
            await waiting.append(form.pieces())
            continue
        for header in form.header_once():
            yield header
        for piece in form.pieces():
            yield UploadFileRequest(chunk=piece)


class _WaitingFile:
    """A file on disk that takes one of the few places when the first bytes come."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            _places_on_disk.release()

    async def append(self, pieces: list[bytes]) -> None:
        if self._file is None:
            if not _places_on_disk.acquire(blocking=False):
                raise TooManyFilesWaiting
            self._file = _opened_on_disk()
        await asyncio.to_thread(self._file.writelines, pieces)

    async def pieces(self) -> AsyncIterator[bytes]:
        if self._file is None:
            return
        await asyncio.to_thread(self._file.seek, 0)
        while piece := await asyncio.to_thread(self._file.read, CHUNK_BYTES):
            yield piece


def _opened_on_disk() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError:
        _places_on_disk.release()
        raise


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
