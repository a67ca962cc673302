"""What becomes of text before it is stored.

Postgres' text cannot hold U+0000, and its jsonb neither U+0000 nor half a surrogate pair, all of
which JSON may escape. Each such character becomes U+FFFD before anything is stored, so what is
graded is what is shown.
"""

import json
from collections.abc import Sequence

import orjson

NUL = "\x00"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

REASONING_BYTES_MAX = 64 * 1024
TRUNCATION_MARKER = "\n[truncated]"


def storable(text: str) -> str:
    """Return `text` with U+0000 replaced."""
    return text.replace(NUL, REPLACEMENT) if NUL in text else text


def storable_object(document: bytes) -> str:
    """Return a JSON object of numbers with keys that jsonb can hold."""
    if b"\\u" not in document:
        return document.decode()
    numbers: dict[str, object] = json.loads(document)
    clean = {storable(whole(key)): value for key, value in numbers.items()}
    return orjson.dumps(clean).decode()


def cut_reasoning(text: str) -> str:
    """Keep at most 64 KiB of UTF-8, then say that something is missing."""
    encoded = text.encode()
    if len(encoded) <= REASONING_BYTES_MAX:
        return text
    kept = encoded[: REASONING_BYTES_MAX - len(TRUNCATION_MARKER.encode())]
    return kept.decode(errors="ignore") + TRUNCATION_MARKER


def cut_at_stops(text: str, stops: Sequence[str]) -> str:
    """Return `text` up to the earliest stop sequence in it; empty sequences cut nothing."""
    end = len(text)
    for stop in stops:
        if stop:
            # Only the part before the earliest cut so far can hold an earlier one.
            found = text.find(stop, 0, end + len(stop) - 1)
            end = found if 0 <= found < end else end
    return text[:end]


def whole(text: str) -> str:
    """Return `text` with each half of a surrogate pair replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
