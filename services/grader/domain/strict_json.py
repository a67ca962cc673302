"""JSON from a jail: hostile, so only what all parsers agree on is taken."""

import json
import math
from collections.abc import Sequence
from typing import NoReturn, TypeAlias

import orjson

DEPTH_MAX = 64
# Brackets and commas outside of texts. Empty lists cost the most to make: so many take 20 ms.
PARTS_MAX = 50_000
# As many as a frame of streamed values has bytes, so that no honest group of them is refused.
STREAM_PARTS_MAX = 262_144

_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class NotStrictJson(ValueError):
    """The bytes are not JSON that can be passed on; the text says why, and quotes nothing."""


def parse(raw: bytes | bytearray, *, parts_max: int = PARTS_MAX) -> Json:
    """The value of a JSON text.

    Refused besides what is not JSON at all: text that is not UTF-8, NaN and infinities also by
    exponent, keys given twice, lone surrogates, U+0000, nesting deeper than `DEPTH_MAX`, whole
    numbers beyond 64 bits, more than `parts_max` brackets and commas. What would take long to
    parse is refused before it is parsed.

    Raises:
        NotStrictJson: one of these.
    """
    _refuse_costly(raw, parts_max)
    try:
        value: Json = orjson.loads(raw)
        # Equal bytes again prove that no key was lost and no number changed its kind.
        exact = orjson.dumps(value) == raw
    except (ValueError, TypeError):
        exact = False
    if not exact:
        value = _parse_slowly(raw)
    # Without escaped backslashes, so that what is left of one is the escape.
    if b"\\u0000" in raw and b"\\u0000" in raw.replace(b"\\\\", b""):
        raise NotStrictJson("it has the character U+0000, which no store takes")
    return value


def encode(value: Json) -> bytes:
    """Compact JSON in UTF-8 of a value that `parse` gave or that is as plain."""
    try:
        return orjson.dumps(value)
    except TypeError:  # whole numbers beyond 64 bits, which `parse` does not give
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
        raise NotStrictJson("it has a whole number beyond 64 bits") from None
    _refuse_unstorable(value)
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


def _refuse_unstorable(value: Json) -> None:
    try:
        orjson.dumps(value)
    except TypeError as error:
        if "surrogate" in str(error):
            raise NotStrictJson("it has characters that are not valid Unicode") from None
        raise NotStrictJson("it has a whole number beyond 64 bits") from None


def _refuse_costly(raw: bytes | bytearray, parts_max: int) -> None:
    """Look at brackets and commas alone, in a few passes over the bytes that cost no objects."""
    opening = raw.count(b"[") + raw.count(b"{")
    if opening <= DEPTH_MAX and opening + raw.count(b",") <= parts_max:
        return
    outside = _without_texts(raw, parts_max)
    if outside.count(b"[") + outside.count(b"{") + outside.count(b",") > parts_max:
        raise _too_many(parts_max)
    # Each pass takes the innermost pairs away.
    brackets = outside.translate(_ONE_KIND, delete=_NO_BRACKETS)
    for _ in range(DEPTH_MAX):
        brackets = brackets.replace(b"[]", b"")
    if brackets.count(b"[") and brackets.count(b"]"):
        raise NotStrictJson(f"it nests deeper than {DEPTH_MAX} levels")


def _without_texts(raw: bytes | bytearray, parts_max: int) -> bytes:
    """What stands outside of quotes; something else if the text is not JSON."""
    plain = bytes(raw).replace(b"\\\\", b"").replace(b'\\"', b"")
    # A key and a value for each part, two quotes for each of them.
    if plain.count(b'"') > 4 * (parts_max + 1):
        raise _too_many(parts_max)
    return b"".join(plain.split(b'"')[::2])


def _too_many(parts_max: int) -> NotStrictJson:
    return NotStrictJson(f"it has more than {parts_max} values")
