"""Results as a child reports them, checked field by field.

The program shares the child's memory and may forge them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from grader.domain.outcome import Failure, Outcome
from grader.domain.strict_json import Json

METRIC_CHARS_MAX = 128
SCORES_MAX = 1_000  # each name becomes a metric of the run
WHOLE_NUMBER_MAX = 2**53  # the largest that every reader of JSON keeps exactly
MESSAGE_CHARS_MAX = 2_000
TRACEBACK_CHARS_MAX = 4_000

# Codes a program can end with (contract F.4 and E.7), and what each is called. What only the host
# can know is not here: nobody may claim that its jail was lost.
_REPORTED = {
    "grader_error": Outcome.GRADER_ERROR,
    "bad_regex": Outcome.GRADER_ERROR,
    "judge_model_required": Outcome.GRADER_ERROR,
    "embedding_model_required": Outcome.GRADER_ERROR,
    "invalid_grader_result": Outcome.INVALID_RESULT,
    "invalid_score": Outcome.INVALID_RESULT,
    "grader_timeout": Outcome.TIMEOUT,
    "regex_timeout": Outcome.TIMEOUT,
    "grader_oom": Outcome.OUT_OF_MEMORY,
}
_STAGES = frozenset({"extract", "score"})


class InvalidResult(ValueError):
    """What a child reported is no result; the text says which part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """How the grading of one sample ended. `failure` is None exactly when it is scored."""

    extracted_output: str | None = None
    scores: Mapping[str, int | float] = field(default_factory=dict)
    judge: Mapping[str, Json] | None = None
    failure: Failure | None = None
    stage: str = ""
    traceback: str = ""

    @property
    def outcome(self) -> Outcome:
        """How it ended, as one word."""
        return self.failure.outcome if self.failure else Outcome.SCORED

    def with_output(self, stdout: str, stderr: str) -> "Graded":
        """The same with what the program printed, which is kept only of a failed execution."""
        printed: dict[str, Json] = {"stdout": stdout} if stdout else {}
        printed |= {"stderr": stderr} if stderr else {}
        if self.failure is None or not printed:
            return self
        return replace(self, judge={**(self.judge or {}), **printed})


def failed(failure: Failure, *, stage: str = "score") -> Graded:
    """The grading of a sample whose execution gave no result."""
    return Graded(failure=failure, stage=stage)


def read_graded(value: Json) -> Graded:
    """Check one reported grading.

    Raises:
        InvalidResult: it is none.
    """
    report = _object(value, "the result")
    extracted = report.get("extracted_output")
    if extracted is not None and not isinstance(extracted, str):
        raise InvalidResult("extracted_output is not text")
    judge = report.get("judge")
    if judge is not None and not isinstance(judge, dict):
        raise InvalidResult("judge is not an object")
    error = report.get("error")
    if error is None:
        return Graded(
            extracted_output=extracted, scores=read_scores(report.get("scores")), judge=judge
        )
    failure, stage, traceback = _read_error(error)
    return Graded(
        extracted_output=extracted, judge=judge, failure=failure, stage=stage, traceback=traceback
    )


def read_scores(value: Json) -> dict[str, int | float]:
    """Check reported scores or metrics: names of 1 to 128 characters, finite numbers, no booleans.

    Raises:
        InvalidResult: one of them is something else.
    """
    scores: dict[str, int | float] = {}
    reported = _object(value, "scores")
    if len(reported) > SCORES_MAX:
        raise InvalidResult(f"it has {len(reported)} scores; {SCORES_MAX} are allowed")
    for name, number in reported.items():
        if not 1 <= len(name) <= METRIC_CHARS_MAX:
            raise InvalidResult(f"a score's name must have 1 to {METRIC_CHARS_MAX} characters")
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise InvalidResult("a score is not a number")
        if isinstance(number, int) and abs(number) > WHOLE_NUMBER_MAX:
            raise InvalidResult("a score is a whole number beyond 2**53")
        if not math.isfinite(number):
            raise InvalidResult("a score is not finite")
        scores[name] = number
    return scores


def read_error(value: Json) -> Failure:
    """The failure a child reported about itself; a code nobody knows becomes `grader_error`.

    Raises:
        InvalidResult: it is no failure.
    """
    return _read_error(value)[0]


def _read_error(value: Json) -> tuple[Failure, str, str]:
    error = _object(value, "error")
    code = _text(error, "code")
    if code not in _REPORTED:
        code = "grader_error"
    stage = _text(error, "stage")
    failure = Failure(_REPORTED[code], code, _text(error, "message")[:MESSAGE_CHARS_MAX])
    traceback = _text(error, "traceback")[-TRACEBACK_CHARS_MAX:]
    return failure, stage if stage in _STAGES else "score", traceback


def _text(report: Mapping[str, Json], key: str) -> str:
    value = report.get(key, "")
    if not isinstance(value, str):
        raise InvalidResult(f"{key} is not text")
    return value


def _object(value: Json, name: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise InvalidResult(f"{name} is not an object")
    return value
