"""Why a run or a sample failed, in the words of the contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MESSAGE_CHARS_MAX = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A stored failure.

    Attributes:
        code: Stable lower_snake word.
        message: One sentence for people.
        stage: `prepare`, `generate`, `extract`, `score` or `finalize`.
        details_json: Further members of the error object, a JSON object; empty for none.
    """

    code: str
    message: str
    stage: str
    details_json: str = ""


class RunFailed(Exception):
    """The run as a whole cannot go on, through no fault of ours; it ends with `failure`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.message}")
        self.failure = failure


_RUN_CODES: Mapping[str, str] = MappingProxyType(
    {
        "FILE_NOT_FOUND": "file_not_found",
        "DATASET_ERROR": "dataset_error",
        "EMPTY_DATASET": "empty_dataset",
        "PREPROCESS_FAILED": "preprocess_failed",
        "PREPROCESSOR_INVALID": "preprocess_failed",
        # Rows that a task's templates and choices cannot be applied to at all.
        "PREPARE_FAILED": "dataset_error",
        "GRADER_INVALID": "grader_invalid",
        "GRADER_ENTRYPOINT_MISSING": "grader_invalid",
        "TEMPLATE_SYNTAX": "dataset_error",
        "BAD_REGEX": "grader_invalid",
        "PROGRAM_TOO_LARGE": "grader_invalid",
        # The artifacts of a run that is larger than any file may be.
        "FILE_TOO_LARGE": "artifact_too_large",
    }
)

INTERNAL = "internal"


def run_failure_code(reason: str) -> str | None:
    """Return the run error code of another service's refusal; None when the tenant is blameless."""
    return _RUN_CODES.get(reason)


def shortened(message: str) -> str:
    """Cut a message to what is stored."""
    return message if len(message) <= MESSAGE_CHARS_MAX else message[: MESSAGE_CHARS_MAX - 1] + "…"
