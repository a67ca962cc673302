"""Rows becoming items: what may come out of a preparation, and how one fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grader.domain.isolation import Isolation
from grader.domain.outcome import Limits
from grader.domain.result import InvalidResult
from grader.domain.strict_json import Json, NotStrictJson, parse
from servicekit.errors import Kind, ServiceError

ITEMS_MAX = 1_000_000  # the largest dataset of the contract
TEXT_CHARS_MAX = (
    4_194_304  # a rendered prompt is 1 MiB at most, with a hundred examples before it somewhat more
)
MESSAGE_CHARS_MAX = 1_000
PREPROCESS_S_DEFAULT = 120.0
# Templates of a whole dataset take milliseconds a row; this is for the start and for slow machines.
RENDER_S = 60.0
LINE_S = 0.02
# The kernel's CPU limit cannot grow with the rows as the host's clock does.
CPU_S = 86_400

_TEMPLATE_ERROR = "template_error"


class PrepareFailed(ServiceError):
    """The task's rows cannot be prepared."""

    kind = Kind.FAILED_PRECONDITION
    reason = "PREPARE_FAILED"


class PreprocessFailed(PrepareFailed):
    """The task's preprocessor failed."""

    reason = "PREPROCESS_FAILED"


class EmptyDataset(PrepareFailed):
    """The dataset has no rows, or the preprocessor left none."""

    reason = "EMPTY_DATASET"


_FAILURES: Mapping[str, type[PrepareFailed]] = {
    "prepare_failed": PrepareFailed,
    "preprocess_failed": PreprocessFailed,
    "empty_dataset": EmptyDataset,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareTask:
    """A task whose rows are to be prepared.

    `team_id` is the full name of a team, with its organisation.
    `job` is what its execution starts from, JSON, and `digest` its name.
    """

    team_id: str
    run_id: str
    job: bytes
    digest: str
    preprocess_s: float | None
    isolation: Isolation = Isolation.FRESH

    def limits(self, memory_bytes: int) -> Limits:
        """What the execution may use; each row it is given adds `LINE_S` to its time."""
        return Limits(
            wall_s=RENDER_S + (self.preprocess_s or 0.0), memory_bytes=memory_bytes, cpu_s=CPU_S
        )

    def failed(self, message: str) -> PrepareFailed:
        """The refusal for an execution that ended without saying why itself."""
        kind = PrepareFailed if self.preprocess_s is None else PreprocessFailed
        return kind(f"the preparation failed: {message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One prepared row; `error_message` is empty unless its templates failed."""

    sample_index: int
    row: Mapping[str, Json]
    prompt: str
    target: str | None
    choices: Sequence[str] | None
    error_message: str


def preprocess_s(task_json: bytes) -> float | None:
    """Time a task's preprocessor has for the whole dataset; None when there is no preprocessor.

    Raises:
        PrepareFailed: the task is not a JSON object.
    """
    preprocess = _preprocess(task_json)
    if preprocess is None:
        return None
    limit = preprocess.get("timeout_seconds")
    return float(limit) if isinstance(limit, int | float) else PREPROCESS_S_DEFAULT


def preprocess_isolation(task_json: bytes) -> Isolation:
    """Whether a task's preprocessor may write files; it runs once, so there is no more to choose.

    Raises:
        PrepareFailed: the task is not a JSON object.
    """
    preprocess = _preprocess(task_json)
    wants_files = preprocess is not None and preprocess.get("isolation") == Isolation.FILES
    return Isolation.FILES if wants_files else Isolation.FRESH


def read_items(emitted: Json, *, first: int) -> list[Item]:
    """Check a group of items; the first must have the index `first`.

    Raises:
        InvalidResult: they are none, out of order, or too many.
    """
    if not isinstance(emitted, list):
        raise InvalidResult("what it sends is not a list")
    if first + len(emitted) > ITEMS_MAX:
        raise InvalidResult(f"it makes more than {ITEMS_MAX} rows")
    return [_read_item(value, first + place) for place, value in enumerate(emitted)]


def read_end(result: Json) -> PrepareFailed | None:
    """The failure that an execution reports as its result; None when it made all its items.

    Raises:
        InvalidResult: it is neither.
    """
    if result is None:
        return None
    if not isinstance(result, dict):
        raise InvalidResult("its result is not an object")
    code, message = result.get("code"), result.get("message")
    if not isinstance(code, str) or code not in _FAILURES or not isinstance(message, str):
        raise InvalidResult("its failure cannot be read")
    return _FAILURES[code](message[:MESSAGE_CHARS_MAX])


def _preprocess(task_json: bytes) -> dict[str, Json] | None:
    try:
        task = parse(task_json)
    except NotStrictJson as error:
        raise PrepareFailed(f"the task cannot be read: {error}") from error
    if not isinstance(task, dict):
        raise PrepareFailed("the task is not an object")
    preprocess = task.get("preprocess")
    return preprocess if isinstance(preprocess, dict) else None


def _read_item(value: Json, index: int) -> Item:
    if not isinstance(value, dict) or value.get("sample_index") != index:
        raise InvalidResult("an item is not an object or out of order")
    row, error, choices = value.get("row"), value.get("error"), value.get("choices")
    if not isinstance(row, dict):
        raise InvalidResult("a row is not an object")
    if choices is not None and not isinstance(choices, list):
        raise InvalidResult("choices are not a list")
    return Item(
        sample_index=index,
        row=row,
        prompt=_text(value.get("prompt"), "a prompt"),
        target=None if value.get("target") is None else _text(value["target"], "a target"),
        choices=None if choices is None else [_text(choice, "a choice") for choice in choices],
        error_message="" if error is None else _error_message(error),
    )


def _error_message(error: Json) -> str:
    if not isinstance(error, dict) or error.get("code") != _TEMPLATE_ERROR:
        raise InvalidResult("an item's error cannot be read")
    message = _text(error.get("message"), "an error message")
    return message[:MESSAGE_CHARS_MAX] or "the templates of the row failed"


def _text(value: Json, name: str) -> str:
    if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX:
        raise InvalidResult(f"{name} is not text, or too long")
    return value
