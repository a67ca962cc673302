"""What a suite or a run may be asked to be; every problem is found at once."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from orchestrator.domain.text import NUL
from servicekit.errors import Kind, ServiceError, Violation

NAME_CHARS_MAX = 255
DESCRIPTION_CHARS_MAX = 10_000
LABELS_MAX = 64
LABEL_KEY_CHARS_MAX = 64
LABEL_VALUE_CHARS_MAX = 512
MODELS_MAX = 20
MODEL_CHARS_MAX = 512
CONCURRENCY_MAX = 1_000

GENERATION_CONCURRENCY_DEFAULT = 4
GRADER_CONCURRENCY_DEFAULT = 2


class RequestInvalid(ServiceError):
    """The request breaks rules; nothing was stored.

    `violations` has all of them; `reason` is the first one's, and `metadata["param"]` its field.
    """

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_REQUEST"

    def __init__(self, violations: Sequence[Violation]) -> None:
        first = violations[0]
        super().__init__(first.message, violations=violations, param=first.path)
        self.reason = first.reason


def require(problems: Iterator[Violation]) -> None:
    """Pass when there are no problems.

    Raises:
        RequestInvalid: with all of them.
    """
    found = list(problems)
    if found:
        raise RequestInvalid(found)


def suite_problems(
    *, name: str, description: str | None, metadata: Mapping[str, str]
) -> Iterator[Violation]:
    """Find what is wrong with a suite's own fields; its manifest is another matter."""
    if not 1 <= len(name) <= NAME_CHARS_MAX:
        message = f"name must have 1 to {NAME_CHARS_MAX} characters"
        yield Violation("name", "INVALID_NAME", message)
    if description is not None and len(description) > DESCRIPTION_CHARS_MAX:
        message = f"description must have at most {DESCRIPTION_CHARS_MAX} characters"
        yield Violation("description", "INVALID_DESCRIPTION", message)
    yield from _unstorable("name", [name])
    yield from _unstorable("description", [description or ""])
    yield from label_problems(metadata)


def label_problems(metadata: Mapping[str, str]) -> Iterator[Violation]:
    """Find what is wrong with a caller's own labels."""
    if len(metadata) > LABELS_MAX:
        message = f"metadata may have at most {LABELS_MAX} labels, not {len(metadata)}"
        yield Violation("metadata", "INVALID_METADATA", message)
        return
    for key, value in metadata.items():
        if not 1 <= len(key) <= LABEL_KEY_CHARS_MAX:
            message = f"metadata keys must have 1 to {LABEL_KEY_CHARS_MAX} characters"
            yield Violation("metadata", "INVALID_METADATA", message)
        if len(value) > LABEL_VALUE_CHARS_MAX:
            message = f"metadata values must have at most {LABEL_VALUE_CHARS_MAX} characters"
            yield Violation("metadata", "INVALID_METADATA", message)


def model_problems(models: Sequence[str]) -> Iterator[Violation]:
    """Find what is wrong with the candidate models."""
    if not models:
        yield Violation("models", "EMPTY_MODELS", "models must name at least one model")
    if len(models) > MODELS_MAX:
        message = f"models may name at most {MODELS_MAX} models, not {len(models)}"
        yield Violation("models", "TOO_MANY_MODELS", message)
    for model in _repeated(models):
        yield Violation("models", "DUPLICATE_MODELS", f"models names {model!r} more than once")
    if not all(1 <= len(model) <= MODEL_CHARS_MAX for model in models):
        message = f"a model id must have 1 to {MODEL_CHARS_MAX} characters"
        yield Violation("models", "INVALID_MODEL", message)
    yield from _unstorable("models", models)


def helper_model_problems(field: str, model: str | None) -> Iterator[Violation]:
    """Find what is wrong with a judge or embedding model."""
    if model is None:
        return
    if not 1 <= len(model) <= MODEL_CHARS_MAX:
        message = f"{field} must have 1 to {MODEL_CHARS_MAX} characters"
        yield Violation(field, "INVALID_MODEL", message)
    yield from _unstorable(field, [model])


def task_problems(task_ids: Sequence[str] | None, known: Sequence[str]) -> Iterator[Violation]:
    """Find what is wrong with a selection of tasks; None selects all."""
    if task_ids is None:
        return
    if not task_ids:
        yield Violation("task_ids", "UNKNOWN_TASK_IDS", "task_ids must name at least one task")
    for task_id in _repeated(task_ids):
        message = f"task_ids names {task_id!r} more than once"
        yield Violation("task_ids", "DUPLICATE_TASK_IDS", message)
    for task_id in dict.fromkeys(task_ids):
        if task_id not in known:
            message = f"the version has no task {task_id!r}"
            yield Violation("task_ids", "UNKNOWN_TASK_IDS", message)


def concurrency_problems(field: str, wanted: int) -> Iterator[Violation]:
    """Find what is wrong with a concurrency; 0 takes the default."""
    if not 0 <= wanted <= CONCURRENCY_MAX:
        message = f"{field} must be from 1 to {CONCURRENCY_MAX}"
        yield Violation(field, "INVALID_CONCURRENCY", message)


def cap_problems(max_samples_per_task: int | None) -> Iterator[Violation]:
    """Find what is wrong with a cap on rows."""
    if max_samples_per_task is not None and max_samples_per_task < 1:
        message = "max_samples_per_task must be at least 1"
        yield Violation("max_samples_per_task", "INVALID_CAP", message)


def _repeated(values: Sequence[str]) -> list[str]:
    return [value for value, times in Counter(values).items() if times > 1]


def _unstorable(field: str, texts: Sequence[str]) -> Iterator[Violation]:
    if any(NUL in text for text in texts):
        yield Violation(field, "INVALID_TEXT", f"{field} must not hold the character U+0000")
