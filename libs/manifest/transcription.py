"""What a `transcription` task needs: models write down speech instead of answering a prompt."""

import re
from collections.abc import Iterator

from manifest.problem import INVALID, Problem
from manifest.section import RawObject

LANGUAGE_CHARS_MAX = 35  # the longest that RFC 5646 wants to be taken

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


def transcription_task(raw: RawObject) -> Iterator[Problem]:
    """It has a grader and a column with audio, a language that is one, and no worked examples."""
    if "grader" not in raw:
        yield Problem(("grader",), INVALID, "is required")
    dataset = raw.get("dataset")
    if isinstance(dataset, dict) and dataset.get("audio_column") is None:
        needed = 'is required for tasks of the type "transcription"'
        yield Problem(("dataset", "audio_column"), INVALID, needed)
    language = raw.get("language")
    if isinstance(language, str) and not _is_language(language):
        yield Problem(("language",), INVALID, "must be a BCP 47 or ISO 639 code, such as `uk`")
    fewshot = raw.get("fewshot")
    in_fewshot = fewshot.get("count") if isinstance(fewshot, dict) else None
    for field, count in (("num_fewshot", raw.get("num_fewshot")), ("fewshot", in_fewshot)):
        if count:
            useless = 'has no use in a task of the type "transcription"'
            yield Problem((field,), INVALID, useless)


def _is_language(text: str) -> bool:
    return len(text) <= LANGUAGE_CHARS_MAX and _LANGUAGE.fullmatch(text) is not None
