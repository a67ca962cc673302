"""JSON from a jail: hostile, so only what all parsers agree on is taken."""

import json
import math
import re
from collections.abc import Sequence
from typing import NoReturn, TypeAlias

import orjson

DEPTH_MAX = 64

# An escape, and not a backslash that is itself escaped before `u0000`.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class NotStrictJson(ValueError):
    """The bytes are not JSON that can be passed on; the text says why, and quotes nothing."""


def parse(raw: bytes | bytearray) -> Json:
    """The value of a JSON text.

    Refused besides what is not JSON at all: text that is not UTF-8, NaN and infinities also by
    exponent, keys given twice, lone surrogates, U+0000, nesting deeper than `DEPTH_MAX`, whole
    numbers too long to convert (4,300 digits).

    Raises:
        NotStrictJson: one of these.
    """
    try:
        value: Json = orjson.loads(raw)
        # Equal bytes again prove that no key was lost and no number changed its kind.
        exact = orjson.dumps(value) == raw
    except (ValueError, TypeError):
        exact = False
    if not exact:
        value = _parse_slowly(raw)
    if _NUL.search(raw):
        raise NotStrictJson("it has the character U+0000, which no store takes")
    if _may_nest(raw) and _depth(value) > DEPTH_MAX:
        raise NotStrictJson(f"it nests deeper than {DEPTH_MAX} levels")
    return value


def encode(value: Json) -> bytes:
    """Compact JSON in UTF-8 of a value that `parse` gave or that is as plain."""
    try:
        return orjson.dumps(value)
    except TypeError:  # whole numbers of more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _parse_slowly(raw: bytes | bytearray) -> Json:
    try:
        text = raw.decode("utf-8")
        value: Json = json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError:
        raise NotStrictJson("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise NotStrictJson(f"it is not JSON: {error.msg}") from None
    except RecursionError:
        raise NotStrictJson(f"it nests deeper than {DEPTH_MAX} levels") from None
    except NotStrictJson:
        raise
    except ValueError:
        raise NotStrictJson("it has a number that is too long") from None
    _refuse_surrogates(text, value)
    return value


def _object(pairs: Sequence[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotStrictJson("it gives a key twice")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotStrictJson("it has a number that is not finite")
    return number


def _refuse_constant(_: str) -> NoReturn:
    raise NotStrictJson("it has a number that is not finite")


def _refuse_surrogates(text: str, value: Json) -> None:
    """A surrogate can only come from an escape, since the text itself was UTF-8."""
    if "\\u" not in text:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise NotStrictJson("it has characters that are not valid Unicode") from None


def _may_nest(raw: bytes | bytearray) -> bool:
    return raw.count(b"[") + raw.count(b"{") > DEPTH_MAX


def _depth(value: Json) -> int:
    deepest = 0
    pending: list[tuple[Json, int]] = [(value, 0)]
    while pending:
        current, depth = pending.pop()
        if isinstance(current, dict | list):
            deepest = max(deepest, depth + 1)
            children = current.values() if isinstance(current, dict) else current
            pending.extend(
                (child, depth + 1) for child in children if isinstance(child, dict | list)
            )
    return deepest
