"""The body of POST /evals/runs, and what of it a schedule has, too."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, ValidationError

from gateway.inbound.rest.labels import Labels, label_problems
from manifest.generation import GenerationSettings
from manifest.problem import Problem, shown
from manifest.section import RawObject, Section, WholeNumber, broken, problems_of

MODELS_MAX = 20
TASK_IDS_MAX = 100  # as many as a manifest may have
CONCURRENCY_MAX = 25
# The newer fields have no documented range; the orchestrator lowers them to what it can do.
FINE_CONCURRENCY_MAX = 1000
_INT32_MAX = 2**31 - 1


def _concurrency(most: int) -> AfterValidator:
    def check(value: int) -> int:
        if not 1 <= value <= most:
            raise broken(f"must be 1 to {most}", reason="INVALID_CONCURRENCY")
        return value

    return AfterValidator(check)


def _model_id(value: str) -> str:
    # Ids go into the run token, where any other character takes up to twelve.
    if not (value.isascii() and value.isprintable()):
        raise broken("must be printable ASCII")
    return value


def _few(most: int, reason: str) -> BeforeValidator:
    """Refuse a long list before its entries are looked at."""

    def check(value: object) -> object:
        if isinstance(value, list) and len(value) > most:
            raise broken(f"may have at most {most} entries, not {len(value)}", reason=reason)
        return value

    return BeforeValidator(check)


ModelId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        description="Printable ASCII.",
        json_schema_extra={"pattern": "^[ -~]+$"},
    ),
    AfterValidator(_model_id),
]
Count = Annotated[WholeNumber, Field(ge=1, le=_INT32_MAX)]
FineConcurrency = Annotated[
    WholeNumber,
    _concurrency(FINE_CONCURRENCY_MAX),
    Field(json_schema_extra={"minimum": 1, "maximum": FINE_CONCURRENCY_MAX}),
]


class RunConfigBody(Section):
    """What a run is to be, whatever it is a run of."""

    models: Annotated[list[ModelId], _few(MODELS_MAX, "TOO_MANY_MODELS")] = Field(
        description="Candidate model ids, distinct.",
        json_schema_extra={"minItems": 1, "maxItems": MODELS_MAX, "uniqueItems": True},
    )
    task_ids: Annotated[list[str] | None, _few(TASK_IDS_MAX, "TOO_MANY_TASK_IDS")] = Field(
        default=None,
        description="Default: every task of the version.",
        json_schema_extra={"minItems": 1, "maxItems": TASK_IDS_MAX, "uniqueItems": True},
    )
    judge_model: ModelId | None = Field(
        default=None,
        description='What `model="auto"` means in `ctx.responses_create`; required when a '
        "grader names no other model.",
    )
    embedding_model: ModelId | None = Field(
        default=None,
        description='What `model="auto"` means in `ctx.embeddings_create`; required when a '
        "grader names no other model.",
    )
    generation: dict[str, JsonValue] = Field(default_factory=dict)
    concurrency: (
        Annotated[
            WholeNumber,
            _concurrency(CONCURRENCY_MAX),
            Field(json_schema_extra={"minimum": 1, "maximum": CONCURRENCY_MAX}),
        ]
        | None
    ) = Field(default=None, description="What the next two are when they are left out.")
    generation_concurrency: FineConcurrency | None = Field(
        default=None, description="Model calls in flight at most; default 4."
    )
    grader_concurrency: FineConcurrency | None = Field(
        default=None, description="Grader executions at once at most; default 2."
    )
    max_samples_per_task: Count | None = Field(default=None, description="Default: no cap.")
    max_workflow_sample_activities: Count | None = Field(
        default=None, description="Accepted for compatibility; has no effect."
    )

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterable[Problem]:
        """Rules over lists and generation settings."""
        yield from _model_problems(raw.get("models"))
        yield from _task_problems(raw.get("task_ids"))
        yield from _generation_problems(raw.get("generation"))


class CreateRunBody(RunConfigBody):
    """A run to start."""

    suite_id: str = Field(min_length=1, max_length=255)
    suite_version: Count | None = Field(
        default=None, description="Default: the suite's active version."
    )
    metadata: Labels = Field(default_factory=dict)

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterable[Problem]:
        """Rules over lists, generation settings and labels."""
        yield from super().broken_rules(raw)
        yield from label_problems(raw)


def _model_problems(models: object) -> Iterator[Problem]:
    if not isinstance(models, list):
        return
    if not models:
        yield Problem(("models",), "EMPTY_MODELS", "must name at least one model")
    yield from _repeated(("models",), models, "DUPLICATE_MODELS")


def _task_problems(task_ids: object) -> Iterator[Problem]:
    if not isinstance(task_ids, list):
        return
    if not task_ids:
        yield Problem(("task_ids",), "EMPTY_TASK_IDS", "must name a task; leave it out for all")
    yield from _repeated(("task_ids",), task_ids, "DUPLICATE_TASK_IDS")


def _repeated(location: tuple[str], entries: list[object], reason: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for entry in entries:
        if not isinstance(entry, str):
            continue
        if entry in seen:
            yield Problem(location, reason, f"names {shown(entry)} more than once")
            return
        seen.add(entry)


def _generation_problems(generation: object) -> Iterator[Problem]:
    if not isinstance(generation, dict):
        return
    try:
        GenerationSettings.model_validate(generation)
    except ValidationError as error:
        for found in problems_of(error, reason="INVALID_GENERATION"):
            location = ("generation", *found.location)
            yield Problem(location, found.reason, found.predicate)
