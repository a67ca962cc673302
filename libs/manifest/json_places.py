"""Where a JSON text that cannot be read as a whole goes wrong."""

import json
import re

# A text is one token, so that long ones cost nothing; a bracket or sign is another.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[{}\[\],]', re.DOTALL)
# About 50 ms; who needs more has too many values, and this is where they begin.
_TOKENS_MAX = 200_000
_KEY_BYTES_MAX = 256


def member_at(raw: bytes, end: int, *, depth_max: int) -> tuple[str, ...]:
    """The key of the outermost object's member that `raw` is in at byte `end`.

    An earlier member is the answer when it is nested deeper than `depth_max` levels, or has so many
    values that nobody reads on. Nothing is the answer outside of members, and for a text that is no
    object.
    """
    if raw[:end].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:1] != b"{":
        return ()
    key, depth = b"", 0
    for number, token in enumerate(_TOKEN.finditer(raw, 0, end)):
        sign = raw[token.start() : token.start() + 1]
        if sign in b"{[":
            depth += 1
        elif sign in b"}]":
            depth -= 1
            key = key if depth else b""
        elif depth == 1:
            key = _next_key(key, sign, token)
        if depth > depth_max or number > _TOKENS_MAX:
            break
    return _read(key)


def _next_key(key: bytes, sign: bytes, token: re.Match[bytes]) -> bytes:
    if sign == b",":
        return b""
    is_key = not key and token.end() - token.start() <= _KEY_BYTES_MAX
    return token[0] if is_key else key or b"?"


def _read(key: bytes) -> tuple[str, ...]:
    try:
        text = str(json.loads(key))
    except ValueError:  # there is none, or it is itself cut off
        return ()
    return (text.encode("utf-8", "replace").decode(),)
