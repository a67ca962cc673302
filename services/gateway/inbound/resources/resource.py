"""What all REST objects have in common."""

from collections.abc import Sequence
from json import loads
from typing import Any, Generic, Literal, Self, TypeVar

import orjson
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel, ConfigDict


class Resource(BaseModel):
    """A REST object: every field is always present, even when it is null."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_serialization_defaults_required=True
    )


class Identified(Resource):
    """A REST object that a page can point at."""

    id: str


Entry = TypeVar("Entry", bound=Identified)


class Page(Resource, Generic[Entry]):
    """One page of a collection; ask for the next with `after=<last_id>`."""

    object: Literal["list"] = "list"
    data: list[Entry]
    first_id: str | None
    last_id: str | None
    has_more: bool

    @classmethod
    def of(cls, entries: Sequence[Entry], *, has_more: bool) -> Self:
        """The page with these entries."""
        return cls(
            data=list(entries),
            first_id=entries[0].id if entries else None,
            last_id=entries[-1].id if entries else None,
            has_more=has_more,
        )


def seconds(time: Timestamp) -> int:
    """Unix seconds, as every time of the contract."""
    return time.seconds


def seconds_if_set(message: Message, field: str) -> int | None:
    """Unix seconds of a timestamp field, or nothing when it is absent."""
    return seconds(getattr(message, field)) if message.HasField(field) else None


def text_if_set(message: Message, field: str) -> str | None:
    """Value of an optional string field, or nothing when it is absent."""
    value: str | None = getattr(message, field) if message.HasField(field) else None
    return value


def object_of(json: bytes) -> dict[str, Any]:
    """The JSON object in a bytes field; empty bytes are an empty object."""
    if not json:
        return {}
    try:
        parsed: dict[str, Any] = orjson.loads(json)
    except orjson.JSONDecodeError:  # a whole number that orjson reads as an infinity
        parsed = loads(json)
    return parsed


def object_if_set(json: bytes) -> dict[str, Any] | None:
    """The JSON object in a bytes field, or nothing when it is empty."""
    return object_of(json) if json else None
