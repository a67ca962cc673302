"""The manifest of a suite version.

`parsing.parse_manifest` is the way in. A value of these classes keeps every rule that can be
checked without opening a file or compiling a program.
"""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from manifest import rules
from manifest.extraction import Extraction, NoExtraction
from manifest.problem import Problem
from manifest.section import RawObject, Section, Text, WholeNumber, broken, listed

SOURCE_BYTES_MAX = 256 * 1024

_TASK_ID = re.compile(r"[A-Za-z0-9_.-]+")


def _task_id(value: str) -> str:
    if not _TASK_ID.fullmatch(value):
        raise broken("may only have letters, digits, `_`, `.` and `-`")
    return value


def _source(value: str) -> str:
    size_bytes = len(value.encode())
    if size_bytes > SOURCE_BYTES_MAX:
        raise broken(f"has {size_bytes} bytes; at most {SOURCE_BYTES_MAX} are allowed")
    return value


def _data_files(value: object) -> object:
    if not rules.is_data_files(value):
        raise broken("must be a name, a list of names, or an object from split to these")
    return value


Name = Annotated[str, Field(min_length=1, max_length=255)]
MetricId = Annotated[str, Field(min_length=1, max_length=128)]
Source = Annotated[str, AfterValidator(_source)]
TimeoutSeconds = Annotated[WholeNumber, Field(ge=1, le=600)]
ExampleCount = Annotated[WholeNumber, Field(ge=0, le=100)]


class Dataset(Section):
    """Where rows come from: an uploaded file or a dataset on the hub.

    `format` stays None when the manifest leaves it out; the file's name then decides
    (`references.dataset_format`).
    """

    source: Literal["file", "huggingface"]
    file_id: Name | None = None
    format: Literal["jsonl", "csv"] | None = None
    path: Name | None = None
    name: Name | None = None
    split: Name | None = None
    revision: Name | None = None
    data_files: Annotated[JsonValue, BeforeValidator(_data_files)] = None
    dataset_kwargs: dict[str, JsonValue] | None = None
    max_rows: Annotated[WholeNumber, Field(ge=1, le=1_000_000)] | None = None
    audio_column: Name | None = None

    @classmethod
    def completed(cls, raw: RawObject) -> RawObject:
        """Infer the source from `file_id` or `path`."""
        return {"source": "file" if "file_id" in raw else "huggingface"} | dict(raw)

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterator[Problem]:
        """Exactly one source, and only its own fields."""
        return rules.dataset(raw)


class Fewshot(Section):
    """Worked examples in front of the prompt; templates left out are the task's."""

    count: ExampleCount = 0
    dataset: Dataset | None = None
    prompt_template: Text | None = None
    target_template: Text | None = None
    example_template: Text = "{{prompt}}\n{{target}}"
    separator: Text = "\n\n"
    strategy: Literal["first", "random"] = "first"
    seed: WholeNumber = 0


class Preprocessor(Section):
    """Python that rewrites a task's rows before prompts are made."""

    type: Literal["python"]
    contract: Literal["row", "batch"] = "row"
    source: Source | None = None
    file_id: Name | None = None
    timeout_seconds: TimeoutSeconds = 120

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterator[Problem]:
        """Inline source or a file."""
        return rules.program(raw)


class Metric(Section):
    """A number that samples carry. A bare text is accepted for an object with this id."""

    id: MetricId
    aggregation: Literal["mean", "none"] = "mean"
    higher_is_better: bool = True
    description: Text | None = None


class Grader(Section):
    """Python that scores samples: `grade` or `grade_batch`.

    `execution` stays None for `model_backed` when the manifest leaves it out: it is `per_sample` if
    the program defines `grade`, else `aggregate`, and only a look at the program (CheckProgram's
    entry points) can tell.
    """

    type: Literal["python"]
    contract: Literal["sample", "batch", "model_backed"] = "sample"
    execution: Literal["per_sample", "aggregate"] | None = None
    model_access: Literal["none", "mka1"] = "none"
    metric_id: MetricId = "score"
    source: Source | None = None
    file_id: Name | None = None
    timeout_seconds: TimeoutSeconds = 120
    max_model_calls: Annotated[WholeNumber, Field(ge=0, le=500)] = 64

    @classmethod
    def completed(cls, raw: RawObject) -> RawObject:
        """Fill in what follows from the contract."""
        return rules.grader_defaults(raw)

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterator[Problem]:
        """Inline source or a file."""
        return rules.program(raw)


class Task(Section):
    """One task: rows, prompt, extraction, grading.

    When the manifest says `num_fewshot`, `fewshot.count` has the same value. `prompt_template` and
    `grader` are there for every type that is accepted.
    """

    tagged_unions: ClassVar[frozenset[str]] = frozenset({"output_extraction"})

    id: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_task_id)]
    type: rules.TaskType
    dataset: Dataset
    name: Annotated[str, Field(max_length=255)] | None = None
    prompt_template: Text | None = None
    target_template: Text | None = None
    choices: Annotated[tuple[Text, ...], Field(strict=False), listed(least=2)] | None = None
    output_extraction: Extraction = NoExtraction()
    metrics: (
        Annotated[
            tuple[Annotated[Metric, BeforeValidator(rules.metric_object)], ...],
            Field(strict=False),
            listed(),
        ]
        | None
    ) = None
    grader: Grader | None = None
    embedding: dict[str, JsonValue] | None = None
    preprocess: Preprocessor | None = None
    fewshot: Fewshot | None = None
    num_fewshot: ExampleCount | None = None
    language: Name | None = None
    metadata: dict[str, JsonValue] | None = None

    @classmethod
    def completed(cls, raw: RawObject) -> RawObject:
        """Merge `num_fewshot` into `fewshot`."""
        return rules.merged_fewshot(raw)

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterator[Problem]:
        """What the type requires, few-shot examples that can be made, metrics that differ."""
        yield from rules.task_type(raw)
        yield from rules.fewshot(raw)
        yield from rules.metric_ids(raw)


class Manifest(Section):
    """All tasks of a suite version."""

    schema_version: Annotated[str, Field(min_length=1, max_length=64)] = "2026-05-27"
    tasks: Annotated[tuple[Task, ...], Field(strict=False), listed(least=1, most=100)]
    metadata: dict[str, JsonValue] | None = None

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterator[Problem]:
        """Task ids differ."""
        return rules.task_ids(raw)


def normalised_json(section: Section) -> bytes:
    """Return a manifest, or a part of one, as JSON with defaults and without empty keys.

    Parsing it gives an equal manifest.
    """
    return section.model_dump_json(exclude_none=True).encode()
