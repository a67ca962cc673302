"""The body of PUT …/trajectory, taken apart without being changed.

Steps and logs are stored as the text that was sent: numbers, the order of keys and escapes stay as
they are. They are only read to see that they are JSON that every client can read.
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator, Field, ValidationError
from starlette.requests import Request

from gateway.inbound.rest.bodies import BodyInvalid, BodyTooLarge, invalid, read_raw
from manifest.json_gate import DEPTH_MAX
from manifest.json_places import member_at
from manifest.problem import Problem
from manifest.section import Section, broken, problems_of
from servicekit.errors import Kind, ServiceError

TRAJECTORY_BYTES_MAX = 16 * 1024 * 1024
# What stands around steps and logs: their keys, the schema version, white space.
_OVERHEAD_BYTES_MAX = 64 * 1024
BODY_READ_S = 120.0
SCHEMA_VERSION_CHARS_MAX = 64
LOGS_MAX = 1_000
LOG_NAME_CHARS_MAX = 1_024
# A million empty objects take 64 MB while they are looked at.
VALUES_MAX = 1_000_000
# Bodies that are looked at together, in the whole process.
CHECKED_AT_ONCE = 2
# A client that is refused in the middle of its body may not hear why.
_DRAINED_BYTES_MAX = 16 * 1024 * 1024
_DRAIN_S = 10.0

# A text that does not end matches, too: otherwise each of its quotes is read on from to the end.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[{}\[\],:]', re.DOTALL)

_checking = asyncio.Semaphore(CHECKED_AT_ONCE)


class TrajectoryTooLarge(ServiceError):
    """Steps and logs together have more bytes than are kept."""

    kind = Kind.INVALID_ARGUMENT
    reason = "TRAJECTORY_TOO_LARGE"

    def __init__(self) -> None:
        message = f"steps and logs may have {TRAJECTORY_BYTES_MAX} bytes together"
        super().__init__(message, bytes_max=TRAJECTORY_BYTES_MAX, param="steps")


def _few_logs(value: object) -> object:
    if isinstance(value, dict):
        if len(value) > LOGS_MAX:
            raise broken(f"may have at most {LOGS_MAX} logs")
        if any(len(name) > LOG_NAME_CHARS_MAX for name in value):
            raise broken(f"has a name of more than {LOG_NAME_CHARS_MAX} characters")
    return value


def _storable(value: object) -> object:
    if isinstance(value, str) and "\x00" in value:
        raise broken("holds a NUL character, which cannot be stored")
    return value


class TrajectoryBody(Section):
    """What an agent did in a trial."""

    steps: list[Any] = Field(description="Stored as they are, whatever they are.")
    schema_version: Annotated[str, BeforeValidator(_storable)] = Field(
        default="ATIF-v1.7",
        min_length=1,
        max_length=SCHEMA_VERSION_CHARS_MAX,
        description="Format of the steps.",
    )
    logs: Annotated[dict[str, str], BeforeValidator(_few_logs)] | None = Field(
        default=None,
        description="Ends of the trial's log files, by their path.",
        json_schema_extra={"maxProperties": LOGS_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTrajectory:
    """A body that is fine: steps and logs as the JSON text that was sent; None for no logs."""

    schema_version: str
    step_count: int
    steps_json: bytes
    logs_json: bytes | None


async def trajectory_body(request: Request) -> SentTrajectory:
    """Read the request's body.

    Raises:
        BodyInvalid: it is not JSON, or not a trajectory; with every problem.
        TrajectoryTooLarge: steps and logs are more than 16 MiB.
        BodyTimeout: it did not arrive within two minutes.
    """
    bytes_max = TRAJECTORY_BYTES_MAX + _OVERHEAD_BYTES_MAX
    try:
        raw = await read_raw(request, bytes_max=bytes_max, read_s=BODY_READ_S)
    except BodyTooLarge:
        await _drain(request)
        raise TrajectoryTooLarge from None
    async with _checking:
        return await asyncio.to_thread(read_trajectory, raw)


def read_trajectory(raw: bytes) -> SentTrajectory:
    """Check one body and take it apart; see `trajectory_body`."""
    document = _parsed(raw)
    try:
        body = TrajectoryBody.model_validate(document)
    except ValidationError as error:
        raise invalid(problems_of(error, reason="INVALID_VALUE")) from None
    members = _members(raw)
    steps = members["steps"]
    logs = members["logs"] if body.logs is not None else None
    if len(steps) + len(logs or b"") > TRAJECTORY_BYTES_MAX:
        raise TrajectoryTooLarge
    return SentTrajectory(
        schema_version=body.schema_version,
        step_count=len(body.steps),
        steps_json=steps,
        logs_json=logs,
    )


def _parsed(raw: bytes) -> dict[str, object]:
    # Counted on the bytes, so that no object is built of a body that is refused.
    bare = _STRING.sub(b'""', raw)
    if sum(bare.count(sign) for sign in (b"{", b"[", b",")) >= VALUES_MAX:
        raise invalid([Problem(("steps",), "INVALID_JSON", f"has more than {VALUES_MAX} values")])
    try:
        raw.decode()
        document = orjson.loads(raw)
    except UnicodeDecodeError as error:
        said = f"is not UTF-8 text: byte {error.start} is wrong"
        raise _unreadable(raw, error.start, said) from None
    except orjson.JSONDecodeError as error:
        end = len(error.doc[: error.pos].encode("utf-8", "replace"))
        said = f"is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise _unreadable(raw, end, said) from None
    if not isinstance(document, dict):
        raise invalid([Problem((), "INVALID_JSON", "must be a JSON object")])
    return document


def _unreadable(raw: bytes, end: int, predicate: str) -> BodyInvalid:
    where = member_at(raw, end, depth_max=DEPTH_MAX)
    return invalid([Problem(where, "INVALID_JSON", predicate)])


def _members(raw: bytes) -> dict[str, bytes]:
    """Return the text of each member of an object that is known to be JSON."""
    members: dict[str, bytes] = {}
    for key, value in _pairs(raw):
        if key in members:
            raise invalid([Problem((key,), "INVALID_JSON", "occurs more than once")])
        members[key] = value
    return members


def _pairs(raw: bytes) -> Iterator[tuple[str, bytes]]:
    depth, key, start = 0, "", 0
    for token in _TOKEN.finditer(raw):
        sign = raw[token.start() : token.start() + 1]
        if sign in b"{[":
            depth += 1
            if depth > DEPTH_MAX:
                said = f"is nested deeper than {DEPTH_MAX} levels"
                raise invalid([Problem((key,), "INVALID_JSON", said)])
        elif sign in b"}]":
            depth -= 1
        if depth == 1 and sign == b'"' and not start:
            key = orjson.loads(token[0])
        elif depth == 1 and sign == b":":
            start = token.end()
        elif start and (depth == 0 or (depth == 1 and sign == b",")):
            yield key, raw[start : token.start()].strip()
            start = 0


async def _drain(request: Request) -> None:
    drained = 0
    try:
        async with asyncio.timeout(_DRAIN_S):
            async for chunk in request.stream():
                drained += len(chunk)
                if drained > _DRAINED_BYTES_MAX:
                    return
    except TimeoutError:
        return
