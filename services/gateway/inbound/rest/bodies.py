"""JSON bodies: read with a limit and a deadline, parsed strictly, checked against a model."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from gateway.inbound.rest.paths import path_of
from manifest.json_gate import DEPTH_MAX, open_json
from manifest.json_places import member_at
from manifest.problem import VIOLATIONS_MAX, Problem
from manifest.section import Section, problems_of
from servicekit.errors import Kind, ServiceError, Violation

# A manifest may have 4 MiB; the rest is for the other members and for white space.
MANIFEST_BODY_BYTES_MAX = 5 * 1024 * 1024
# Of every other body; the largest useful ones are tool definitions in a run's settings.
BODY_BYTES_MAX = 256 * 1024
# A client that sends slower than this holds memory for nothing.
BODY_READ_S = 30.0
# Larger bodies are parsed in a thread: 64 KiB take about a millisecond, which the model bridge
# beside us can bear.
PARSED_INLINE_BYTES_MAX = 64 * 1024

Body = TypeVar("Body", bound=Section)


class BodyInvalid(ServiceError):
    """The body is not what the operation takes; every problem is a violation."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_BODY"


class BodyTooLarge(ServiceError):
    """The body has more bytes than the operation takes."""

    kind = Kind.INVALID_ARGUMENT
    reason = "BODY_TOO_LARGE"


class BodyTimeout(ServiceError):
    """The body did not arrive in time."""

    kind = Kind.DEADLINE_EXCEEDED
    reason = "BODY_TIMEOUT"


def json_body(
    model: type[Body], *, bytes_max: int = BODY_BYTES_MAX
) -> Callable[[Request], Awaitable[Body]]:
    """A dependency that reads the request's body, of at most `bytes_max` bytes, as `model`.

    It raises BodyInvalid with every problem, BodyTooLarge or BodyTimeout.
    """

    async def read(request: Request) -> Body:
        raw = await read_raw(request, bytes_max=bytes_max)
        if len(raw) > PARSED_INLINE_BYTES_MAX:
            return await asyncio.to_thread(read_json, raw, model)
        return read_json(raw, model)

    return read


async def read_raw(request: Request, *, bytes_max: int, read_s: float = BODY_READ_S) -> bytes:
    """Read a body of JSON as the text that was sent, in `read_s` seconds at most.

    Raises:
        BodyInvalid: it is announced as something else.
        BodyTooLarge: it has more than `bytes_max` bytes.
        BodyTimeout: it did not arrive in time.
    """
    _check_headers(request)
    return await _read_all(request, bytes_max, read_s)


def read_json(raw: bytes, model: type[Body]) -> Body:
    """Check one body of JSON text.

    Raises:
        BodyInvalid: it is not acceptable JSON, or not a `model`.
    """
    opened = open_json(raw, reason="INVALID_JSON", bytes_max=MANIFEST_BODY_BYTES_MAX)
    if opened.problems or opened.document is None:
        raise invalid(opened.problems)
    try:
        return model.model_validate(opened.document)
    except ValidationError as error:
        raise invalid(problems_of(error, reason="INVALID_VALUE")) from None


def described_body(model: type[Section], example: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI description of a body that `json_body(model)` reads."""
    content = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def _check_headers(request: Request) -> None:
    media_type, _, options = request.headers.get("content-type", "").partition(";")
    media_type = media_type.strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        shown = media_type or "none"
        raise _refused("CONTENT_TYPE", f"send application/json; the content type was {shown}")
    charset = options.lower().replace(" ", "").replace('"', "").partition("charset=")[2]
    if charset.partition(";")[0] not in ("", "utf-8", "utf8", "us-ascii"):
        raise _refused("CONTENT_TYPE", "JSON is sent in UTF-8")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _refused("CONTENT_ENCODING", "send the body without a content encoding")


async def _read_all(request: Request, bytes_max: int, read_s: float) -> bytes:
    raw = bytearray()
    try:
        async with asyncio.timeout(read_s):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > bytes_max:
                    # Read thus far, also when the length was announced: to tell what is too large.
                    raise await asyncio.to_thread(_too_large, bytes(raw), bytes_max)
    except TimeoutError:
        raise BodyTimeout(f"the body did not arrive within {read_s:g} s") from None
    return bytes(raw)


def invalid(problems: Iterable[Problem]) -> BodyInvalid:
    """The refusal of a body with these problems, at least one."""
    violations = []
    for problem in problems:
        path = path_of(problem.location)
        sentence = f"{path or 'the body'} {problem.predicate}"
        violations.append(Violation(path, problem.reason, sentence))
    return BodyInvalid(violations[0].message, violations=violations[:VIOLATIONS_MAX])


def _refused(reason: str, message: str) -> BodyInvalid:
    return BodyInvalid(message, violations=[Violation("", reason, message)])


def _too_large(raw: bytes, bytes_max: int) -> BodyTooLarge:
    path = path_of(member_at(raw, bytes_max, depth_max=DEPTH_MAX))
    where = f", and they end in {path}" if path else ""
    message = f"the body may have at most {bytes_max} bytes{where}"
    return BodyTooLarge(message, bytes_max=bytes_max, param=path)
