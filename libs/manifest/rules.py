"""Rules between the keys of one object, over the object as sent: values may have any type."""

from collections.abc import Iterator
from typing import Literal

from manifest.embedding import embedding_task
from manifest.problem import INVALID, Problem, shown
from manifest.section import RawObject
from manifest.transcription import transcription_task

TaskType = Literal[
    "classification",
    "multiple_choice",
    "qa",
    "summarization",
    "semantic_similarity",
    "llm_judge",
    "numeric",
    "math",
    "custom",
    "transcription",
    "embedding",
]

_HUB_FIELDS = ("path", "name", "split", "revision", "data_files", "dataset_kwargs")
_FILE_FIELDS = ("file_id", "format")

_DEFAULT_EXECUTION = {"sample": "per_sample", "batch": "aggregate"}

_DATA_FILES_MAX = 1_000
_DATA_FILE_CHARS_MAX = 1_024


def dataset(raw: RawObject) -> Iterator[Problem]:
    """Exactly one of `file_id` and `path`, a `source` that agrees, no field of the other kind."""
    if ("file_id" in raw) == ("path" in raw):
        yield Problem((), INVALID, "needs exactly one of `file_id` and `path`")
        return
    inferred, foreign = ("file", _HUB_FIELDS) if "file_id" in raw else ("huggingface", _FILE_FIELDS)
    if raw.get("source", inferred) == ("huggingface" if inferred == "file" else "file"):
        given = "`file_id`" if inferred == "file" else "`path`"
        yield Problem(("source",), INVALID, f"contradicts {given}, which means {shown(inferred)}")
    for field in foreign:
        if field in raw:
            yield Problem((field,), INVALID, f"cannot be used with the source {shown(inferred)}")


def is_data_files(value: object) -> bool:
    """Tell whether a value is a name, a list of names, or an object from split to these."""
    if isinstance(value, dict):
        return len(value) <= _DATA_FILES_MAX and all(_is_names(files) for files in value.values())
    return _is_names(value)


def program(raw: RawObject) -> Iterator[Problem]:
    """Exactly one of `source` and `file_id`."""
    if ("source" in raw) == ("file_id" in raw):
        yield Problem((), INVALID, "needs exactly one of `source` and `file_id`")


def grader_defaults(raw: RawObject) -> RawObject:
    """Fill in `execution` and `model_access`; `model_backed` leaves `execution` open."""
    contract = raw.get("contract", "sample")
    defaults: dict[str, object] = {"model_access": "mka1" if contract == "model_backed" else "none"}
    if isinstance(contract, str) and contract in _DEFAULT_EXECUTION:
        defaults["execution"] = _DEFAULT_EXECUTION[contract]
    return defaults | dict(raw)


def task_type(raw: RawObject) -> Iterator[Problem]:
    """What the type of a task requires and forbids."""
    kind = raw.get("type")
    if kind == "embedding":
        yield from embedding_task(raw)
        return
    if kind == "transcription":
        yield from transcription_task(raw)
    else:
        for field in ("prompt_template", "grader"):
            if field not in raw:
                yield Problem((field,), INVALID, "is required")
    if "embedding" in raw:
        yield Problem(("embedding",), INVALID, 'is only for tasks of the type "embedding"')


def merged_fewshot(raw: RawObject) -> RawObject:
    """Put a valid `num_fewshot` into `fewshot.count`; the fields report anything odd."""
    count, fewshot = raw.get("num_fewshot"), raw.get("fewshot", {})
    if not _is_count(count) or not isinstance(fewshot, dict):
        return raw
    return dict(raw) | {"fewshot": fewshot | {"count": count}}


def fewshot(raw: RawObject) -> Iterator[Problem]:
    """`num_fewshot` agrees with `fewshot.count`, and examples have a target template."""
    alias = raw.get("num_fewshot")
    section = raw.get("fewshot", {})
    if not isinstance(section, dict):
        return
    # The public client always sends count 0 with a fewshot object, so a 0 there says nothing.
    count = section.get("count") or alias
    if _is_count(alias) and count != alias:
        yield Problem(
            ("num_fewshot",), INVALID, f"is {alias}, but `fewshot.count` is {shown(count)}"
        )
    wants_examples = _is_count(count) and count != 0
    has_target = section.get("target_template") is not None or "target_template" in raw
    if wants_examples and not has_target:
        at = ("fewshot", "target_template") if "fewshot" in raw else ("target_template",)
        yield Problem(at, INVALID, "is required for few-shot examples")


def metric_object(value: object) -> object:
    """Take a bare text for the id of a metric."""
    return {"id": value} if isinstance(value, str) else value


def metric_ids(raw: RawObject) -> Iterator[Problem]:
    """Metric ids differ within a task."""
    metrics = raw.get("metrics")
    objects = [metric_object(entry) for entry in metrics] if isinstance(metrics, list) else []
    yield from _repeats(objects, "metrics", reason=INVALID)


def task_ids(raw: RawObject) -> Iterator[Problem]:
    """Task ids differ within a manifest."""
    tasks = raw.get("tasks")
    yield from _repeats(
        tasks if isinstance(tasks, list) else [], "tasks", reason="DUPLICATE_TASK_ID"
    )


def _repeats(objects: list[object], field: str, *, reason: str) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, entry in enumerate(objects):
        key = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(key, str):
            continue
        if key in first:
            same = f"{shown(key)} is already the id of {field}[{first[key]}]"
            yield Problem((field, index, "id"), reason, same)
        first.setdefault(key, index)


def _is_names(value: object) -> bool:
    names = value if isinstance(value, list) else [value]
    return 0 < len(names) <= _DATA_FILES_MAX and all(
        isinstance(n, str) and 0 < len(n) <= _DATA_FILE_CHARS_MAX for n in names
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value in range(101)
