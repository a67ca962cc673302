"""Rows in lists come without the images and sounds that are written into them."""

import re
from collections.abc import Mapping
from typing import Any

# RFC 2397, base64 form: the media type with its parameters, then the data.
_BLOB = re.compile(r"(data:[^,]{0,200};base64),.+", re.DOTALL)


def without_blobs(row: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `row` in which inline base64 `data:` URIs have lost their data."""
    return {key: _redacted(value) for key, value in row.items()}


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return _BLOB.sub(r"\1,[redacted]", value) if value.startswith("data:") else value
    if isinstance(value, dict):
        return without_blobs(value)
    if isinstance(value, list):
        return [_redacted(entry) for entry in value]
    return value
