"""Turn whatever tenant code returned into plain JSON values, or say why it cannot be.

The real class of a value is looked at, never what the value claims, and a value goes through JSON
text once, so a subclass with odd habits comes out as its plain self.
"""

import json
import re
from typing import TypeAlias, TypeGuard

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

# The host refuses frames that nest deeper than 64; the envelope around a value takes some levels.
DEPTH_MAX = 56
# The host refuses frames of more than 50,000 brackets and commas, which take long to parse.
PARTS_MAX = 40_000
# What every store and reader behind us keeps as a whole number.
WHOLE_MIN = -(2**63)
WHOLE_MAX = 2**64 - 1

# A whole number of 19 digits or more, or something like it in a text.
_LONG_NUMBER = re.compile(r"\d{19}")
_NAME_CHARS_MAX = 80


class NotJsonError(ValueError):
    """The value cannot be stored as JSON; the text reads on from its name: `has 12 bytes ...`."""


def plain_json(value: object, *, bytes_max: int, parts_max: int = PARTS_MAX) -> Json:
    """Return an equal value of exact `None`, `bool`, `int`, `float`, `str`, `list` and `dict`.

    Tuples become lists; keys that are numbers, booleans or None become text as the json module
    has it.

    Raises:
        NotJsonError: a type JSON lacks, NaN or an infinity, text that is not valid Unicode,
            whole numbers beyond 64 bits, nesting over `DEPTH_MAX`, more than
            `bytes_max` bytes in UTF-8, or more than `parts_max` values.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise NotJsonError("has characters that are not valid Unicode") from None
    except (TypeError, ValueError) as error:
        raise NotJsonError(f"cannot be written as JSON: {error}") from None
    except RecursionError:
        raise NotJsonError(f"nests deeper than {DEPTH_MAX} levels") from None
    if size_bytes > bytes_max:
        raise NotJsonError(f"has {size_bytes} bytes as JSON; at most {bytes_max} are allowed")
    plain: Json = json.loads(text)
    if text.count("[") + text.count("{") > DEPTH_MAX and _is_deep(plain, DEPTH_MAX):
        raise NotJsonError(f"nests deeper than {DEPTH_MAX} levels")
    if _LONG_NUMBER.search(text) and _has_long_number(plain):
        raise NotJsonError("has a whole number beyond 64 bits")
    if text.count("[") + text.count("{") + text.count(",") > parts_max < _parts(plain):
        raise NotJsonError(f"has more than {parts_max} values")
    return plain


def compact_json(value: object) -> str:
    """Write JSON without spaces, with characters outside ASCII as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def parsed_json(text: str | None) -> Json:
    """Return the value of a text that is valid JSON as a whole, else None."""
    if text is None:
        return None
    try:
        value: Json = _STRICT.decode(text)
    except (ValueError, RecursionError):
        return None
    return value


def is_text(value: object) -> TypeGuard[str]:
    """Tell if this is a `str` or a subclass."""
    return issubclass(type(value), str)


def is_number(value: object) -> TypeGuard[float]:
    """Tell if this is a `bool`, `int`, `float` or a subclass."""
    return issubclass(type(value), (int, float))


def is_whole(value: object) -> TypeGuard[int]:
    """Tell if this is a `bool`, `int` or a subclass of `int`."""
    return issubclass(type(value), int)


def is_object(value: object) -> TypeGuard[dict[object, object]]:
    """Tell if this is a `dict` or a subclass."""
    return issubclass(type(value), dict)


def is_sequence(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    """Tell if this is a `list`, a `tuple` or a subclass."""
    return issubclass(type(value), (list, tuple))


def plain_text(text: str) -> str:
    """Return the exact `str` of a text or of a subclass.

    Raises:
        NotJsonError: it has lone surrogates.
    """
    plain = str.__str__(text)
    if not plain.isascii():
        try:
            plain.encode()
        except UnicodeEncodeError:
            raise NotJsonError("has characters that are not valid Unicode") from None
    return plain


def class_name(value: object) -> str:
    """Return the name of a value's class, cut short, for an error message."""
    name: str = type.__dict__["__name__"].__get__(type(value))
    return printable(name[:_NAME_CHARS_MAX])


def printable(text: str) -> str:
    """Return a text that every store takes: lone surrogates and NUL written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _refused(constant: str) -> Json:
    raise ValueError(f"{constant} is not JSON")


# Made once: `json.loads` with an argument would make one for each text.
_STRICT = json.JSONDecoder(parse_constant=_refused)


def _is_deep(value: Json, levels_left: int) -> bool:
    if isinstance(value, list):
        children = value
    elif isinstance(value, dict):
        children = list(value.values())
    else:
        return False
    return levels_left == 0 or any(_is_deep(child, levels_left - 1) for child in children)


def _has_long_number(value: Json) -> bool:
    if isinstance(value, list):
        return any(_has_long_number(child) for child in value)
    if isinstance(value, dict):
        return any(_has_long_number(child) for child in value.values())
    return type(value) is int and not WHOLE_MIN <= value <= WHOLE_MAX


def _parts(value: Json) -> int:
    """Brackets and commas of a value's JSON, more or less."""
    if isinstance(value, list):
        children = value
    elif isinstance(value, dict):
        children = list(value.values())
    else:
        return 1
    return 1 + sum(map(_parts, children))
