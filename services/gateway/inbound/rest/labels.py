"""The caller's own labels (`metadata`) of suites, versions and runs."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from manifest.problem import Problem
from manifest.section import RawObject

KEY_CHARS_MAX = 64
VALUE_CHARS_MAX = 512

Labels = Annotated[
    dict[str, str],
    Field(
        description=f"Labels: keys of at most {KEY_CHARS_MAX}, values of at most {VALUE_CHARS_MAX} "
        "characters."
    ),
]


def label_problems(raw: RawObject) -> Iterator[Problem]:
    """What is too long in the labels of a body; wrong types are for the model to report."""
    labels = raw.get("metadata")
    for key, value in labels.items() if isinstance(labels, dict) else ():
        if len(key) > KEY_CHARS_MAX:
            predicate = f"has a key of more than {KEY_CHARS_MAX} characters"
            yield Problem(("metadata", key), "INVALID_METADATA", predicate)
        if isinstance(value, str) and len(value) > VALUE_CHARS_MAX:
            predicate = f"must have at most {VALUE_CHARS_MAX} characters"
            yield Problem(("metadata", key), "INVALID_METADATA", predicate)
