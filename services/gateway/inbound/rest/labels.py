"""The caller's own labels (`metadata`) of suites, versions and runs."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field

from manifest.problem import Problem
from manifest.section import RawObject, broken

LABELS_MAX = 64
KEY_CHARS_MAX = 64
VALUE_CHARS_MAX = 512


def _few(labels: object) -> object:
    if isinstance(labels, Mapping) and len(labels) > LABELS_MAX:
        raise broken(f"may have at most {LABELS_MAX} labels", reason="INVALID_METADATA")
    return labels


Labels = Annotated[
    dict[str, str],
    Field(
        description=f"At most {LABELS_MAX} labels: keys of at most {KEY_CHARS_MAX}, values of at "
        f"most {VALUE_CHARS_MAX} characters.",
        json_schema_extra={"maxProperties": LABELS_MAX},
    ),
    BeforeValidator(_few),
]


def label_problems(raw: RawObject) -> Iterator[Problem]:
    """What is too long in the labels of a body; their number and types are checked by `Labels`."""
    labels = raw.get("metadata")
    if not isinstance(labels, dict) or len(labels) > LABELS_MAX:
        return
    for key, value in labels.items():
        if len(key) > KEY_CHARS_MAX:
            predicate = f"has a key of more than {KEY_CHARS_MAX} characters"
            yield Problem(("metadata", key), "INVALID_METADATA", predicate)
        if isinstance(value, str) and len(value) > VALUE_CHARS_MAX:
            predicate = f"must have at most {VALUE_CHARS_MAX} characters"
            yield Problem(("metadata", key), "INVALID_METADATA", predicate)
