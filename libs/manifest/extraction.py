"""How the answer is cut out of a model's text: a union by `type`, carried out in the jail."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from manifest.json_schema import requires
from manifest.problem import INVALID, Problem, shown
from manifest.section import RawObject, Section, Text, WholeNumber, broken, listed

# `g` and `u` are JavaScript's and change nothing here.
_FLAGS = frozenset("imsxgu")

_LABELS_MAX = 1_000


def _group(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise broken("must be a whole number or the name of a group")
    if value == "" or (isinstance(value, int) and value < 0):
        raise broken("names a group that no pattern can have", reason="BAD_REGEX")
    return value


def _flags(value: object) -> object:
    unknown = [flag for flag in value if flag not in _FLAGS] if isinstance(value, str) else []
    if unknown:
        allowed = ", ".join(sorted(_FLAGS))
        raise broken(
            f"has the unknown flag {shown(unknown[0])}; known: {allowed}", reason="BAD_REGEX"
        )
    return value


class NoExtraction(Section):
    """The text unchanged."""

    model_config = ConfigDict(json_schema_extra=requires("type"))

    type: Literal["none"] = "none"
    """Says which extraction this is."""


class TakeFirst(Section):
    """The first `lines` lines that are not blank."""

    type: Literal["take_first"]
    """Says which extraction this is."""
    lines: Annotated[WholeNumber, Field(ge=1)] = 1
    """How many lines."""


class Pattern(Section):
    """A match of a Python regular expression: the first (`regex`) or the last (`regex_last`).

    Without `group`: group 1 if the pattern has one, else the whole match.
    """

    type: Literal["regex", "regex_last"]
    """Says which extraction this is: the first match, or the last."""
    pattern: Text
    """A regular expression of Python's `re`; named groups may be written `(?<name>...)` too."""
    group: Annotated[int | str | None, BeforeValidator(_group)] = None
    """Number or name of the group to take. Default: group 1, or the whole match without groups."""
    flags: Annotated[str | None, BeforeValidator(_flags)] = None
    """Any of `i`, `m`, `s`, `x`; `g` and `u` change nothing. Default: none."""


class LabelSet(Section):
    """The label that the text names, spelled as in `labels`."""

    type: Literal["label_set"]
    """Says which extraction this is."""
    labels: Annotated[
        tuple[Text, ...],
        Field(strict=False, json_schema_extra={"minItems": 1, "maxItems": _LABELS_MAX}),
        listed(least=1, most=_LABELS_MAX),
    ]
    """The labels to look for; none is blank and no two are the same."""
    case_sensitive: bool = False
    """Whether upper and lower case differ."""

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterator[Problem]:
        """Labels are not blank and differ, in the way they are compared."""
        labels = raw.get("labels")
        seen: dict[str, str] = {}
        for index, label in enumerate(labels if isinstance(labels, list | tuple) else ()):
            if not isinstance(label, str):
                continue
            compared = label if raw.get("case_sensitive") is True else label.casefold()
            if not label.strip():
                yield Problem(("labels", index), INVALID, "must not be blank")
            elif compared in seen:
                same = f"is the same label as {shown(seen[compared])}"
                yield Problem(("labels", index), INVALID, same)
            seen.setdefault(compared, label)


class Number(Section):
    """The first number in the text."""

    type: Literal["number"]
    """Says which extraction this is."""


Extraction = Annotated[
    NoExtraction | TakeFirst | Pattern | LabelSet | Number, Field(discriminator="type")
]
