"""Strict JSON: what is let in can be stored by Postgres and is read alike by every parser."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import JsonValue

from manifest.json_places import member_at
from manifest.problem import Location, Problem, shown

# Deeper nesting has no use in a manifest, and recursive readers (jsonb, JavaScript, the jail) have
# limits of their own.
DEPTH_MAX = 64

# An object of Python costs a hundred times the two bytes of a `{}`; a manifest of this many values
# is checked in well under a second.
VALUES_MAX = 100_000
_VALUE_SIGNS = (b"{", b"[", b",")
_NO_VALUE_SIGNS = bytes(set(range(256)) - set(b'{[,"'))

# Beyond these orjson, Postgres bigint and protobuf int64 fail or round.
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_INT_DIGITS_MAX = 20

# A document of a million NaNs must not cost a million problems.
_PROBLEMS_MAX = 100


@dataclass(frozen=True, slots=True)
class Opened:
    """A document that was read.

    Attributes:
        document: The object, with every bad part replaced by something harmless; None when nothing
            could be read.
        problems: What is wrong with it as JSON, in order of appearance. What could not be read at
            all has one, at the member where it goes wrong.
    """

    document: dict[str, JsonValue] | None
    problems: tuple[Problem, ...]


def open_json(raw: bytes, *, reason: str, bytes_max: int) -> Opened:
    """Read one JSON object of at most `bytes_max` bytes.

    Refused: text that is not UTF-8 or not JSON, a value that is not an object, duplicate keys, NaN
    and infinities, integers beyond 64 bits, numbers beyond a double, NUL characters, lone
    surrogates, more than `DEPTH_MAX` levels, more than `VALUES_MAX` values.
    """
    if excess := _excess(raw, bytes_max):
        return _nothing(raw, bytes_max, reason, excess)
    try:
        parsed = _decode(raw)
    except UnicodeDecodeError as error:
        predicate = f"is not UTF-8 text: byte {error.start} is wrong"
        return _nothing(raw, error.start, reason, predicate)
    except json.JSONDecodeError as error:
        end = len(error.doc[: error.pos].encode())
        where = f"line {error.lineno}, column {error.colno}"
        return _nothing(raw, end, reason, f"is not valid JSON: {error.msg} at {where}")
    except RecursionError:
        return _nothing(raw, len(raw), reason, f"is nested deeper than {DEPTH_MAX} levels")
    if not isinstance(parsed, _Pairs):
        return _nothing(raw, 0, reason, "must be a JSON object")
    inspection = _Inspection(reason)
    document = inspection.cleaned_object(parsed, ())
    return Opened(document, tuple(inspection.problems))


class _Pairs(dict[str, object]):
    """An object with the keys that occurred more than once."""

    def __init__(self, pairs: Iterable[tuple[str, object]]) -> None:
        super().__init__()
        self.repeated: list[str] = []
        for key, value in pairs:
            if key in self:
                self.repeated.append(key)
            self[key] = value


@dataclass(frozen=True, slots=True)
class _BadNumber:
    literal: str
    predicate: str


class _Inspection:
    """Walks a parsed document, notes what is wrong and builds a clean copy."""

    def __init__(self, reason: str) -> None:
        self.problems: list[Problem] = []
        self._reason = reason

    def cleaned(self, value: object, location: Location) -> JsonValue:
        if isinstance(value, str):
            return self._text(value, location)
        if isinstance(value, _BadNumber):
            self._note(location, f"{value.predicate}: {shown(value.literal)}")
            return 0
        if isinstance(value, bool | int | float) or value is None:
            return value
        if len(location) >= DEPTH_MAX:
            self._note(location[:3], f"is nested deeper than {DEPTH_MAX} levels")
            return None
        if isinstance(value, _Pairs):
            return self.cleaned_object(value, location)
        if isinstance(value, list):
            return [self.cleaned(item, (*location, index)) for index, item in enumerate(value)]
        raise TypeError(type(value))  # json.loads makes nothing else

    def cleaned_object(self, pairs: _Pairs, location: Location) -> dict[str, JsonValue]:
        for key in pairs.repeated:
            self._note((*location, _printable(key)), "occurs more than once")
        document: dict[str, JsonValue] = {}
        for key, value in pairs.items():
            inside = (*location, _printable(key))
            document[self._text(key, inside)] = self.cleaned(value, inside)
        return document

    def _text(self, text: str, location: Location) -> str:
        if "\x00" in text:
            self._note(location, "holds a NUL character, which cannot be stored")
        if not text.isascii() and _printable(text) != text:
            self._note(location, "holds half of a surrogate pair, which is not text")
        return _printable(text)

    def _note(self, location: Location, predicate: str) -> None:
        if len(self.problems) < _PROBLEMS_MAX:
            self.problems.append(Problem(location, self._reason, predicate))


def _excess(raw: bytes, bytes_max: int) -> str | None:
    if len(raw) > bytes_max:
        return f"has {len(raw)} bytes; at most {bytes_max} are allowed"
    if _has_too_many_values(raw):
        return f"has more than {VALUES_MAX} values"
    return None


def _has_too_many_values(raw: bytes) -> bool:
    """Count on the bytes, so that no object is built of a document that is refused."""
    if _value_signs(raw) < VALUES_MAX:
        return False
    # Texts may be full of such signs: count again outside them. What is not JSON up to its end is
    # counted well up to its first error, and nothing behind that is ever built.
    unescaped = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    signs = unescaped.translate(None, _NO_VALUE_SIGNS)
    return _value_signs(b"".join(signs.split(b'"')[::2])) >= VALUES_MAX


def _value_signs(raw: bytes) -> int:
    """One less than the most values there can be: each stands behind one of these signs."""
    return sum(raw.count(sign) for sign in _VALUE_SIGNS)


def _decode(raw: bytes) -> object:
    return json.loads(
        raw.decode("utf-8-sig"),
        object_pairs_hook=_Pairs,
        parse_int=_int,
        parse_float=_float,
        parse_constant=_constant,
    )


def _int(literal: str) -> int | _BadNumber:
    # The length is looked at first: int() refuses very long literals with a ValueError.
    if len(literal) > _INT_DIGITS_MAX or not _INT_MIN <= int(literal) <= _INT_MAX:
        return _BadNumber(literal, "is an integer beyond 64 bits")
    return int(literal)


def _float(literal: str) -> float | _BadNumber:
    number = float(literal)
    return number if math.isfinite(number) else _BadNumber(literal, "is a number beyond a double")


def _constant(literal: str) -> _BadNumber:
    return _BadNumber(literal, "is not a finite number")


def _printable(text: str) -> str:
    if text.isascii():
        return text.replace("\x00", "\ufffd")
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def _nothing(raw: bytes, end: int, reason: str, predicate: str) -> Opened:
    location = member_at(raw, end, depth_max=DEPTH_MAX)
    return Opened(None, (Problem(location, reason, predicate),))
