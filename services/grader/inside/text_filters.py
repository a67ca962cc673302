"""Values as text in templates, and the filters that templates have beyond Jinja's own."""

import json
from collections.abc import (
    Callable,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    ValuesView,
)
from random import Random

from jinja2 import Environment, Undefined, pass_context, pass_environment
from jinja2.filters import make_attrgetter
from jinja2.runtime import Context

from grader.inside.jsonvalues import class_name, compact_json

_LAZY = (Iterator, range, KeysView, ValuesView, ItemsView)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def to_text(value: object) -> str:
    """Write a value as `{{ value }}` does.

    Text as it is, None as nothing, booleans as `true` and `false`, numbers in their shortest JSON
    form, lists and objects as compact JSON.

    Raises:
        UndefinedError: the value does not exist.
        TypeError: a value that JSON lacks, such as a function.
    """
    if isinstance(value, str | Undefined):
        return str(value)
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, (list, tuple, dict, *_LAZY)):
        return json_text(value)
    raise TypeError(f"a value of type {class_name(value)} cannot be written as text")


def json_text(value: object) -> str:
    """Write a value as compact JSON, characters outside ASCII as they are."""
    if isinstance(value, Undefined):
        return str(value)
    return compact_json(list(value) if isinstance(value, _LAZY) else value)


def strip(value: object, characters: str | None = None) -> str:
    """Take white space, or the given characters, off both ends."""
    return to_text(value).strip(characters)


def split(value: object, separator: str | None = None, most: int = -1) -> list[str]:
    """Cut a text at a separator, or at white space, at most `most` times."""
    return to_text(value).split(separator, most)


def letter(value: object) -> str:
    """Name a place in a list: 0 is A, 25 is Z, 26 is AA. Digits in text count as a number."""
    place = int(value) if isinstance(value, str) else value
    if isinstance(place, bool) or not isinstance(place, int) or place < 0:
        raise ValueError(f"letter needs a whole number from 0, not {to_text(value)}")
    name = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, len(_LETTERS))
        name = _LETTERS[rest] + name
    return name


def index(value: object, entries: Iterable[object]) -> int:
    """Return the place of a value in a list, from 0; two values are equal when their texts are."""
    text = to_text(value)
    for place, entry in enumerate(entries):
        if to_text(entry) == text:
            return place
    raise ValueError(f"{text[:100]!r} is not in the list")


@pass_environment
def join(
    environment: Environment,
    entries: Iterable[object],
    separator: object = "",
    attribute: str | int | None = None,
) -> str:
    """Join the texts of a list, or of one attribute of its entries."""
    if attribute is not None:
        entries = map(make_attrgetter(environment, attribute), entries)
    return to_text(separator).join(to_text(entry) for entry in entries)


@pass_context
def pick(context: Context, entries: Iterable[object]) -> object:
    """Pick an entry by chance, but always the same one for the same sample."""
    seed = f"{context.resolve('task_id')}:{context.resolve('sample_index')}"
    return Random(seed).choice(list(entries))  # noqa: S311 - no secret


FILTERS: dict[str, Callable[..., object]] = {
    "strip": strip,
    "split": split,
    "json": json_text,
    "letter": letter,
    "index": index,
    "join": join,
    "random": pick,
}
