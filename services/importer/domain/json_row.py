"""Strict JSON rows: what is let in, every later reader can store and parses alike."""

import json
import math
from collections import Counter
from collections.abc import Iterator

import orjson

# What comes out of a jail nests at most 64 levels deep and has at most 262,144 brackets and commas;
# a row comes out as a part of an item, with its choices.
DEPTH_MAX = 60
PARTS_MAX = 250_000


class RowInvalid(ValueError):
    """Not a row that can be used; the text is a sentence without its subject."""


def parse_row(text: str) -> dict[str, object]:
    """Read one JSON object.

    Raises:
        RowInvalid: not JSON, not an object, a key occurs twice, a number is not finite, too deep.
    """
    try:
        row = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise RowInvalid(f"is not valid JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise _too_deep() from None
    return _checked(row, text)


def object_at(text: str, start: int) -> tuple[dict[str, object], int]:
    """Read the JSON object that begins at a place in a text; return it and the place behind it.

    Raises:
        RowInvalid: as `parse_row`.
        json.JSONDecodeError: it is no JSON, or goes on behind the text.
    """
    try:
        row, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        raise _too_deep() from None
    return _checked(row, text[start:end]), end


def write_row(row: dict[str, object]) -> bytes:
    """Write a row as compact UTF-8 JSON with its keys in their order, without a line feed.

    Raises:
        RowInvalid: it holds a text or an integer that cannot be written or stored, or too many
            values.
    """
    try:
        written = orjson.dumps(row)
    except orjson.JSONEncodeError as error:
        if "surrogate" in str(error):
            raise RowInvalid("holds half of a surrogate pair, which is not text") from None
        raise RowInvalid("holds an integer beyond 64 bits") from None
    # An escaped backslash before `u0000` looks the same, so that a look at the texts decides.
    if b"\\u0000" in written and any("\x00" in text for text in _texts(row)):
        raise RowInvalid("holds a NUL character, which cannot be stored")
    if _brackets_and_commas(written) > PARTS_MAX < _brackets_and_commas(_without_texts(written)):
        raise RowInvalid(f"has more than {PARTS_MAX} values")
    return written


def _checked(row: object, text: str) -> dict[str, object]:
    if not isinstance(row, dict):
        raise RowInvalid("is not a JSON object")
    # A row can only be too deep if it has that many brackets; most have few and need no walk.
    if text.count("{") + text.count("[") > DEPTH_MAX and any(d > DEPTH_MAX for d in _depths(row)):
        raise _too_deep()
    return row


def _brackets_and_commas(written: bytes) -> int:
    if len(written) <= PARTS_MAX:  # as nearly all rows
        return 0
    return written.count(b"[") + written.count(b"{") + written.count(b",")


def _without_texts(written: bytes) -> bytes:
    plain = written.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(plain.split(b'"')[::2])


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        (repeated, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise RowInvalid(f"has the key {json.dumps(repeated[:64])} twice in one object")
    return made


def _integer(literal: str) -> int:
    if len(literal) > 20:  # noqa: PLR2004 - the longest 64-bit integer; int() refuses very long ones
        raise RowInvalid("holds an integer beyond 64 bits")
    return int(literal)


def _number(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise RowInvalid("holds a number that is too large")
    return number


def _constant(literal: str) -> float:
    raise RowInvalid(f"holds {literal}, which is not JSON")


def _too_deep() -> RowInvalid:
    return RowInvalid(f"is nested deeper than {DEPTH_MAX} levels")


def _depths(row: dict[str, object]) -> Iterator[int]:
    level: list[object] = [row]
    depth = 0
    while level:
        depth += 1
        yield depth
        level = [part for whole in level for part in _parts(whole) if isinstance(part, dict | list)]


def _texts(row: dict[str, object]) -> Iterator[str]:
    waiting: list[object] = [row]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            yield from part
        waiting.extend(_parts(part))


def _parts(whole: object) -> list[object]:
    if isinstance(whole, dict):
        return list(whole.values())
    return whole if isinstance(whole, list) else []


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_number,
    parse_constant=_constant,
)
