"""Values of a table as JSON: what each type becomes, and images and sounds as addresses."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from urllib.parse import quote
from uuid import UUID

from importer.domain.hub_datasets.media import media_type
from importer.domain.json_row import DEPTH_MAX, RowInvalid

_MEDIA_KEYS = {"bytes", "path"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where files lie that rows only name: the address of the commit's folder, without `/`."""

    address: str


def json_row(row: Mapping[str, object], origin: Origin) -> dict[str, object]:
    """Return a row whose values are all JSON.

    Numbers and texts stay; NaN and infinities become null; dates and times ISO 8601 texts, with `Z`
    where the zone is known; durations seconds; decimals texts with all their digits; bytes base64
    texts; an image or sound (`bytes` and `path`) a `data:` address with its media type, or the
    address of its file.

    Raises:
        RowInvalid: nested too deep, or a value of an unknown type.
    """
    return {str(key): _json_value(value, origin, 1) for key, value in row.items()}


def _json_value(value: object, origin: Origin, depth: int) -> object:  # noqa: PLR0911 - one line a type
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case bytes():
            return base64.b64encode(value).decode()
        case list() | tuple() | Mapping():
            return _json_whole(value, origin, depth + 1)
        case datetime() | date() | time():
            return _moment(value)
        case timedelta():
            return value.total_seconds()
        case Decimal() | UUID():
            return str(value)
        case _:
            raise RowInvalid(f"holds a value of the type {type(value).__name__}")


def _json_whole(
    whole: Mapping[object, object] | Sequence[object], origin: Origin, depth: int
) -> object:
    if depth > DEPTH_MAX:
        raise RowInvalid(f"is nested deeper than {DEPTH_MAX} levels")
    if not isinstance(whole, Mapping):
        return [_json_value(part, origin, depth) for part in whole]
    if set(whole) == _MEDIA_KEYS and isinstance(whole["bytes"], bytes | None):
        return _media(whole["bytes"], whole["path"], origin)
    return {str(key): _json_value(part, origin, depth) for key, part in whole.items()}


def _media(content: bytes | None, path: object, origin: Origin) -> str | None:
    name = path if isinstance(path, str) else ""
    if content is not None:
        return f"data:{media_type(content, name)};base64,{base64.b64encode(content).decode()}"
    if not name or name.startswith(("https://", "http://")):
        return name or None
    return f"{origin.address}/{quote(name.lstrip('/'))}"


def _moment(value: datetime | date | time) -> str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return value.isoformat()
