"""A problem in a submitted document: where it stands, what it is, and how it reads."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from servicekit.errors import Violation

Location = tuple[str | int, ...]
"""Keys and list indices from the root of the document."""

INVALID = "INVALID"
"""Stands where a problem has no reason of its own; the document's parser puts its word there."""

# More would not help anybody and would outgrow the metadata of a gRPC status.
VIOLATIONS_MAX = 50

# A key of a submitted document is a tenant's text of any length; a path is for reading.
_KEY_CHARS_MAX = 64

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule.

    Attributes:
        location: Where it stands.
        reason: Stable UPPER_SNAKE word.
        predicate: The sentence without its subject, which is the path: `must be at least 1`.
    """

    location: Location
    reason: str
    predicate: str


def path_of(root: str, location: Sequence[str | int]) -> str:
    """Write a location as people read it: `manifest.tasks[2].output_extraction.pattern`."""
    return root + "".join(_step(part) for part in location)


def to_violations(root: str, problems: Iterable[Problem]) -> list[Violation]:
    """Turn problems into violations, one a location and predicate, at most `VIOLATIONS_MAX`.

    When some had to be left out, one more says so.
    """
    distinct = list(_sentences(root, problems))
    kept = distinct[:VIOLATIONS_MAX]
    if len(distinct) > VIOLATIONS_MAX:
        more = f"{root} has more problems than the {VIOLATIONS_MAX} listed"
        kept.append(Violation(root, kept[0].reason, more))
    return kept


def shown(value: object) -> str:
    """Quote a submitted value for a sentence, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _KEY_CHARS_MAX else f"{text[:_KEY_CHARS_MAX]}…"


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if _PLAIN_KEY.fullmatch(part) and len(part) <= _KEY_CHARS_MAX:
        return f".{part}"
    return f"[{shown(part)}]"


def _sentences(root: str, problems: Iterable[Problem]) -> Iterator[Violation]:
    seen: set[str] = set()
    for problem in problems:
        path = path_of(root, problem.location)
        sentence = f"{path} {problem.predicate}"
        if sentence not in seen:
            seen.add(sentence)
            yield Violation(path, problem.reason, sentence)
