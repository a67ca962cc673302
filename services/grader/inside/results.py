"""Read what a grader returned for one sample."""

import math
from typing import NamedTuple

from grader.inside.jobs import JsonObject
from grader.inside.jsonvalues import (
    Json,
    NotJsonError,
    class_name,
    is_number,
    is_object,
    is_text,
    is_whole,
    plain_json,
    plain_text,
    printable,
)

SCORE_KEY_CHARS_MAX = 128

# Whole numbers above it are not exact in every reader of JSON.
_WHOLE_MAX = 2**53

# A result must fit into a frame of 1 MiB: these three sum up to less.
_JUDGE_BYTES_MAX = 512 * 1024
_EXTRACTED_BYTES_MAX = 256 * 1024
_SCORES_MAX = 1_000
_MESSAGE_CHARS_MAX = 1_000

_RESERVED = frozenset(
    {"scores", "score", "judge", "reason", "extracted_output", "error", "metadata"}
)

Fields = dict[str, object]
Scores = dict[str, float]


class InvalidResultError(Exception):
    """The grader returned something that is no result. `code` is the word of the contract."""

    def __init__(self, message: str, code: str = "invalid_grader_result") -> None:
        super().__init__(message)
        self.code = code


class Result(NamedTuple):
    """One sample's result.

    `replacement` is a one-element tuple when the grader replaces what was extracted; `failure` is
    the error that it reported for this sample.
    """

    scores: Scores
    judge: JsonObject | None = None
    replacement: tuple[str | None] | None = None
    failure: str | None = None


def read_result(returned: object, metric_id: str) -> Result:
    """Read what `grade` returned; a bare number is the score `metric_id`.

    Raises:
        InvalidResultError: it is no result, or a score is not a finite number.
    """
    if is_number(returned):
        return Result({metric_id: _score(returned, metric_id)})
    if not is_object(returned):
        raise InvalidResultError(f"a grader returns a number or an object, not {kind_of(returned)}")
    fields = fields_of(returned, "the result")
    if _RESERVED.isdisjoint(fields):
        return Result(scores_of(fields))
    return _read_fields(fields, metric_id)


def scores_of(values: Fields) -> Scores:
    """Return the numbers of an object, booleans as 1.0 and 0.0; entries that are None are left out.

    Raises:
        InvalidResultError: an entry is something else, or not finite, or has too long a name.
    """
    scores: Scores = {}
    for key, value in values.items():
        if value is None:
            continue
        if not is_number(value):
            raise InvalidResultError(f"the score {shown(key)} is {kind_of(value)}, not a number")
        scores[key] = _score(value, key)
    if len(scores) > _SCORES_MAX:
        raise InvalidResultError(f"there are {len(scores)} scores; {_SCORES_MAX} are allowed")
    return scores


def fields_of(value: object, name: str) -> Fields:
    """Return the entries of an object.

    Raises:
        InvalidResultError: it is no object, or has keys that are not text.
    """
    if not is_object(value):
        raise InvalidResultError(f"{name} must be an object, not {kind_of(value)}")
    return {_key(key, name): item for key, item in dict.items(value)}


def kind_of(value: object) -> str:
    """Name the kind of a value in an error message."""
    return "None" if value is None else class_name(value)


def shown(text: str) -> str:
    """Quote a text in an error message, cut short."""
    return repr(text[:100])


def _read_fields(fields: Fields, metric_id: str) -> Result:
    others = {key: value for key, value in fields.items() if key not in _RESERVED}
    scores = scores_of({key: value for key, value in others.items() if is_number(value)})
    if fields.get("scores") is not None:
        scores |= scores_of(fields_of(fields["scores"], "scores"))
    if fields.get("score") is not None:
        scores |= scores_of({metric_id: fields["score"]})
    details = {key: _details(value, key) for key, value in others.items() if not is_number(value)}
    judge = details | _judge(fields)
    failure = _failure(fields.get("error"), judge)
    replacement = None
    if "extracted_output" in fields:
        text = _optional_text(fields["extracted_output"], "extracted_output")
        _details(text, "extracted_output", _EXTRACTED_BYTES_MAX)
        replacement = (text,)
    if judge:
        # Each part was small enough; their sum may not be.
        _details(judge, "judge")
    return Result(scores, judge or None, replacement, failure)


def _judge(fields: Fields) -> JsonObject:
    value = fields.get("judge")
    judge: JsonObject = {}
    if is_text(value):
        judge["reason"] = _text(value, "judge")
    elif value is not None:
        judge = _object(value, "judge")
    reason = _optional_text(fields.get("reason"), "reason")
    if reason is not None:
        judge["reason"] = reason
    if fields.get("metadata") is not None:
        judge["metadata"] = _object(fields["metadata"], "metadata")
    return judge


def _failure(value: object, judge: JsonObject) -> str | None:
    """Return the sentence of a reported error, None for none; an object is kept in the judge."""
    if is_text(value):
        return printable(_text(value, "error")[:_MESSAGE_CHARS_MAX]) or None
    if value is None:
        return None
    details = _object(value, "error")
    if not details:
        return None
    judge["error"] = details
    message = details.get("message")
    if not isinstance(message, str) or not message:
        return "the grader reported an error"
    return printable(message[:_MESSAGE_CHARS_MAX])


def _score(value: float, key: str) -> float:
    if not 1 <= len(key) <= SCORE_KEY_CHARS_MAX:
        raise InvalidResultError(
            f"the name of a score has 1 to {SCORE_KEY_CHARS_MAX} characters, not {len(key)}"
        )
    if value is True or value is False:
        return 1.0 if value else 0.0
    if is_whole(value):
        whole = int.__int__(value)
        if abs(whole) > _WHOLE_MAX:
            raise InvalidResultError(f"the score {shown(key)} is above 2**53", "invalid_score")
        return whole
    number = float.__float__(value)
    if not math.isfinite(number):
        raise InvalidResultError(f"the score {shown(key)} is {number}", "invalid_score")
    return number


def _details(value: object, name: str, bytes_max: int = _JUDGE_BYTES_MAX) -> Json:
    try:
        return plain_json(value, bytes_max=bytes_max)
    except NotJsonError as error:
        raise InvalidResultError(f"{shown(name)} {error}") from None


def _object(value: object, name: str) -> JsonObject:
    details = _details(value, name)
    if not isinstance(details, dict):
        raise InvalidResultError(f"{name} must be an object, not {kind_of(value)}")
    return details


def _text(value: str, name: str) -> str:
    text = _details(value, name)
    return text if isinstance(text, str) else ""


def _optional_text(value: object, name: str) -> str | None:
    if value is None:
        return None
    if not is_text(value):
        raise InvalidResultError(f"{name} must be text or None, not {kind_of(value)}")
    return _text(value, name)


def _key(key: object, name: str) -> str:
    if not is_text(key):
        raise InvalidResultError(f"a key of {name} is {kind_of(key)}, not text")
    try:
        return plain_text(key)
    except NotJsonError as error:
        raise InvalidResultError(f"a key of {name} {error}") from None
