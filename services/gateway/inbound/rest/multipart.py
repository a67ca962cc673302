"""multipart/form-data as a stream: parts come out while the body still comes in."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from servicekit.errors import Kind, ServiceError, Violation

if TYPE_CHECKING:  # the library defines it for type checkers only
    from python_multipart.multipart import MultipartCallbacks

# Two parts are expected; a body of nothing but part headers must not cost more than it is worth.
PARTS_MAX = 32


class FormInvalid(ServiceError):
    """The body is not the form that was expected."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_FORM"

    def __init__(self, message: str, *, reason: str = "INVALID_FORM", param: str = "") -> None:
        super().__init__(message, violations=[Violation(param, reason, message)])


@dataclass(frozen=True, slots=True)
class PartBegan:
    """A part begins; its bytes follow, then PartEnded.

    `filename` is None when the part has none; it is the text as it was sent.
    """

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartBytes:
    """Some bytes of the current part."""

    content: bytes


@dataclass(frozen=True, slots=True)
class PartEnded:
    """The current part is complete."""


PartEvent = PartBegan | PartBytes | PartEnded


def boundary_of(content_type: str) -> bytes:
    """The boundary that the request's content type names.

    Raises:
        FormInvalid: it is not multipart/form-data, or names no boundary.
    """
    media_type, options = parse_options_header(content_type)
    if media_type != b"multipart/form-data":
        shown = media_type.decode("latin-1") or "none"
        raise FormInvalid(
            f"send multipart/form-data; the content type was {shown}", reason="CONTENT_TYPE"
        )
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise FormInvalid("the content type names no boundary", reason="CONTENT_TYPE")
    return boundary


async def read_parts(chunks: AsyncIterable[bytes], boundary: bytes) -> AsyncIterator[PartEvent]:
    """The parts of a form, in the order of the body; ends normally only after the closing boundary.

    Raises:
        FormInvalid: the body is malformed or ends too early.
    """
    collector = _Collector()
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        async for chunk in chunks:
            parser.write(chunk)
            for event in collector.taken():
                yield event
    except FormParserError as error:
        raise FormInvalid(f"the form cannot be read: {error}") from None
    if not collector.ended:
        raise FormInvalid("the form ends before its closing boundary", reason="INCOMPLETE_FORM")


@dataclass(slots=True)
class _Collector:
    """Turns the parser's callbacks into events."""

    ended: bool = False
    events: list[PartEvent] = field(default_factory=list)
    parts: int = 0
    header_name: bytes = b""
    header_value: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self.on_part_begin,
            "on_header_field": self.on_header_field,
            "on_header_value": self.on_header_value,
            "on_header_end": self.on_header_end,
            "on_headers_finished": self.on_headers_finished,
            "on_part_data": self.on_part_data,
            "on_part_end": self.on_part_end,
            "on_end": self.on_end,
        }

    def taken(self) -> list[PartEvent]:
        events, self.events = self.events, []
        return events

    def on_part_begin(self) -> None:
        self.parts += 1
        if self.parts > PARTS_MAX:
            raise FormInvalid(f"a form may have {PARTS_MAX} parts")
        self.headers = {}

    def on_header_field(self, chunk: bytes, start: int, end: int) -> None:
        self.header_name += chunk[start:end]

    def on_header_value(self, chunk: bytes, start: int, end: int) -> None:
        self.header_value += chunk[start:end]

    def on_header_end(self) -> None:
        self.headers[self.header_name.lower()] = self.header_value
        self.header_name = self.header_value = b""

    def on_headers_finished(self) -> None:
        encoding = self.headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if encoding not in (b"binary", b"8bit", b"7bit"):
            raise FormInvalid("send parts without a content transfer encoding")
        disposition, options = parse_options_header(_text(self.headers.get(b"content-disposition")))
        if disposition != b"form-data" or b"name" not in options:
            raise FormInvalid("a part has no name")
        filename = options.get(b"filename")
        self.events.append(
            PartBegan(
                name=_unpacked(options[b"name"]),
                filename=None if filename is None else _unpacked(filename),
            )
        )

    def on_part_data(self, chunk: bytes, start: int, end: int) -> None:
        self.events.append(PartBytes(chunk[start:end]))

    def on_part_end(self) -> None:
        self.events.append(PartEnded())

    def on_end(self) -> None:
        self.ended = True


def _text(header: bytes | None) -> str:
    # The header parser works on latin-1; UTF-8 names pass through it byte by byte.
    return (header or b"").decode("latin-1")


def _unpacked(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise FormInvalid("names of parts and files are sent in UTF-8") from None
