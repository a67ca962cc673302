"""The shapes that cross between the host and the sandboxed child, as plain JSON objects."""

from collections.abc import Callable
from types import ModuleType
from typing import Literal, NotRequired, TypedDict, final

from grader.inside.jsonvalues import Json

JsonObject = dict[str, Json]
"""Any JSON object."""

CallModel = Callable[[str, JsonObject], JsonObject]
"""Send one model call to the host: method and request body in, response or `{"error": ...}` out.

Must be safe to call from several threads."""


class Extraction(TypedDict):
    """Normalised `output_extraction` of the manifest."""

    type: str
    lines: NotRequired[int]
    pattern: NotRequired[str]
    group: NotRequired[int | str | None]
    flags: NotRequired[str | None]
    labels: NotRequired[list[str]]
    case_sensitive: NotRequired[bool]


class Grader(TypedDict):
    """Normalised `grader` of the manifest."""

    contract: NotRequired[str]
    execution: NotRequired[str | None]
    model_access: NotRequired[str]
    metric_id: NotRequired[str]
    max_model_calls: NotRequired[int]


class RunFacts(TypedDict):
    """What a grader may know about its run."""

    run_id: str
    task_id: str
    model: str
    judge_model: NotRequired[str | None]
    embedding_model: NotRequired[str | None]


class Sample(TypedDict):
    """One sample to grade. `usage` is by name, such as `input_tokens`; unknown ones are absent."""

    id: str
    sample_index: int
    row: JsonObject
    prompt: str
    target: NotRequired[str | None]
    choices: NotRequired[list[str] | None]
    output_text: NotRequired[str | None]
    response_id: NotRequired[str | None]
    usage: NotRequired[dict[str, int | None] | None]


class GradeJob(TypedDict):
    """One grading. `entry` names the function to call; else contract and execution decide.

    `code` is the source compiled and marshalled, where that was done before; `module` what came of
    running it, where that was too.
    """

    source: str
    code: NotRequired[bytes | None]
    module: NotRequired[ModuleType]
    entry: NotRequired[str | None]
    grader: Grader
    extraction: NotRequired[Extraction | None]
    run: RunFacts
    sample: NotRequired[Sample]


class Failure(TypedDict):
    """Why a sample has no scores. `traceback` is empty when no program raised."""

    code: str
    message: str
    stage: Literal["extract", "score"]
    traceback: str


Outcome = Literal["scored", "grader_error", "invalid_result", "timeout", "out_of_memory"]
"""How a program's execution ended, as far as the program's own process can tell."""


@final  # so that a reader may tell it from an `AggregateEnd` by its keys
class Graded(TypedDict):
    """How the grading of one sample ended; an aggregate execution adds `sample_id`."""

    outcome: Outcome
    extracted_output: str | None
    scores: dict[str, int | float]
    judge: JsonObject | None
    error: Failure | None
    sample_id: NotRequired[str]


@final
class AggregateEnd(TypedDict):
    """The last answer of an aggregate execution."""

    metrics: dict[str, int | float] | None
    error: Failure | None


class Preprocess(TypedDict):
    """Normalised `preprocess` of the manifest, source inlined."""

    contract: NotRequired[str]
    source: str
    timeout_seconds: NotRequired[float]


class Fewshot(TypedDict):
    """Normalised `fewshot` of the manifest."""

    count: NotRequired[int]
    dataset: NotRequired[JsonObject | None]
    prompt_template: NotRequired[str | None]
    target_template: NotRequired[str | None]
    example_template: NotRequired[str]
    separator: NotRequired[str]
    strategy: NotRequired[str]
    seed: NotRequired[int]


class Task(TypedDict):
    """The part of a normalised task that preparation reads."""

    id: str
    dataset: NotRequired[JsonObject]
    prompt_template: NotRequired[str | None]
    target_template: NotRequired[str | None]
    choices: NotRequired[list[str] | None]
    preprocess: NotRequired[Preprocess | None]
    fewshot: NotRequired[Fewshot | None]


class PrepareJob(TypedDict):
    """One preparation: a task, and how many items to keep at most (None for all)."""

    task: Task
    max_items: NotRequired[int | None]


class ItemError(TypedDict):
    """Why a row could not be rendered."""

    code: Literal["template_error"]
    message: str


class Item(TypedDict):
    """One prepared row; `prompt` is empty when `error` is set."""

    sample_index: int
    row: JsonObject
    prompt: str
    target: str | None
    choices: list[str] | None
    error: ItemError | None


class Program(TypedDict):
    """One program to check. `contract` carries the flags of a pattern, `group_json` its group."""

    path: str
    kind: Literal["grader", "preprocessor", "template", "pattern"]
    source: str
    contract: NotRequired[str]
    group_json: NotRequired[str]


class Violation(TypedDict):
    """One problem of one program."""

    path: str
    reason: str
    message: str


class Verdict(TypedDict):
    """All problems, and the entry points of each grader in order, comma-separated."""

    violations: list[Violation]
    entrypoints: list[str]
