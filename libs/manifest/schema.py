"""The manifest of a suite version.

`parsing.parse_manifest` is the way in. A value of these classes keeps every rule that can be
checked without opening a file or compiling a program.
"""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue

from manifest import rules
from manifest.embedding import DATASETS, EmbeddingProtocol
from manifest.extraction import Extraction, NoExtraction
from manifest.json_schema import requires, without_default
from manifest.problem import Problem
from manifest.section import (
    LIST_LENGTH_MAX,
    RawObject,
    Section,
    Text,
    WholeNumber,
    broken,
    listed,
)

SOURCE_BYTES_MAX = 256 * 1024
METRICS_MAX = 100

_TASK_ID = re.compile(r"[A-Za-z0-9_.-]+")
_HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)?")


def _task_id(value: str) -> str:
    if not _TASK_ID.fullmatch(value):
        raise broken("may only have letters, digits, `_`, `.` and `-`")
    return value


def _hub_name(value: str) -> str:
    if not _HUB_NAME.fullmatch(value) or ".." in value:
        raise broken("must be the name of a dataset on the hub, such as openai/gsm8k")
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


_Files = str | list[str]
DataFiles = Annotated[
    JsonValue,
    BeforeValidator(_data_files, json_schema_input_type=_Files | dict[str, _Files] | None),
]
Name = Annotated[str, Field(min_length=1, max_length=255)]
HubName = Annotated[
    str,
    Field(min_length=1, max_length=255, json_schema_extra={"pattern": f"^{_HUB_NAME.pattern}$"}),
    AfterValidator(_hub_name),
]
MetricId = Annotated[str, Field(min_length=1, max_length=128)]
TaskId = Annotated[
    str,
    Field(min_length=1, max_length=128, json_schema_extra={"pattern": f"^{_TASK_ID.pattern}$"}),
    AfterValidator(_task_id),
]
Source = Annotated[str, AfterValidator(_source)]
TimeoutSeconds = Annotated[WholeNumber, Field(ge=1, le=600)]
ExampleCount = Annotated[WholeNumber, Field(ge=0, le=100)]


class Dataset(Section):
    """Where rows come from: either a file (`file_id`) or a dataset on the hub (`path`)."""

    model_config = ConfigDict(json_schema_extra=requires())

    source: Literal["file", "huggingface"]
    """Can be left out: `file` follows from `file_id`, `huggingface` from `path`."""
    file_id: Name | None = None
    """Id of an uploaded JSONL or CSV file with the purpose `evals`."""
    # Stays None when it is left out: `references.dataset_format` looks at the file's name later.
    format: Literal["jsonl", "csv"] | None = None
    """Format of the file. Default: by its name, `.jsonl` and `.ndjson` or `.csv`."""
    path: HubName | None = None
    """Dataset on the Hugging Face hub, such as `openai/gsm8k`."""
    name: Name | None = None
    """Configuration of the hub dataset. Default: `default`, or the only one there is."""
    split: Name | None = None
    """Split of the hub dataset. Default: the first there is of test, validation, dev, train."""
    revision: Name | None = None
    """Branch, tag or commit of the hub dataset. Default: `main`, as it is when the run starts."""
    data_files: DataFiles = None
    """Files of the hub dataset: a pattern, a list of patterns, or an object from split to these."""
    dataset_kwargs: dict[str, JsonValue] | None = None
    """Kept and returned with the manifest; has no effect."""
    max_rows: Annotated[WholeNumber, Field(ge=1, le=1_000_000)] | None = None
    """Only the first so many rows are read. Default: all."""
    audio_column: Name | None = None
    """Column with audio; required for `transcription` tasks."""

    @classmethod
    def completed(cls, raw: RawObject) -> RawObject:
        """Infer the source from `file_id` or `path`."""
        return {"source": "file" if "file_id" in raw else "huggingface"} | dict(raw)

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterator[Problem]:
        """Exactly one source, and only its own fields."""
        return rules.dataset(raw)


class Fewshot(Section):
    """Worked examples in front of the prompt."""

    count: ExampleCount = 0
    """How many examples. More than 0 needs a `target_template`, here or in the task."""
    dataset: Dataset | None = None
    """Where examples come from. Default: the task's other rows."""
    prompt_template: Text | None = None
    """Template of an example's prompt. Default: the task's."""
    target_template: Text | None = None
    """Template of an example's answer. Default: the task's."""
    example_template: Text = "{{prompt}}\n{{target}}"
    """Template of one example, made of its rendered `prompt` and `target`."""
    separator: Text = "\n\n"
    """Text between examples, and between the last one and the prompt."""
    strategy: Literal["first", "random"] = "first"
    """Take the first rows, or draw rows at random, the same in each run."""
    seed: WholeNumber = 0
    """Seed of `random`."""


class Preprocessor(Section):
    """Python that rewrites rows before prompts are made, as either `source` or `file_id`."""

    type: Literal["python"]
    """Language of the program."""
    contract: Literal["row", "batch"] = "row"
    """`row` calls `transform(row)` for each row, `batch` calls `transform_batch(rows)` once."""
    source: Source | None = None
    """The program itself, at most 256 KiB."""
    file_id: Name | None = None
    """Id of an uploaded program with the purpose `evals`, at most 1 MiB."""
    timeout_seconds: TimeoutSeconds = 120
    """Time for the whole dataset."""
    isolation: Literal["fresh", "files"] = "fresh"
    """`files`: it may write in `/tmp`, in a jail of its own."""

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterator[Problem]:
        """Inline source or a file."""
        return rules.program(raw)


class Metric(Section):
    """A number that samples carry. A plain text stands for a metric with this id."""

    id: MetricId
    """Name of the score; differs from the task's other metrics."""
    aggregation: Literal["mean", "none"] = "mean"
    """How samples become one number; `none` keeps the score with the samples only."""
    higher_is_better: bool = True
    """Direction of the metric, for those who read and compare results."""
    description: Text | None = None
    """What the metric means, for people."""


MetricEntry = Annotated[
    Metric, BeforeValidator(rules.metric_object, json_schema_input_type=Metric | MetricId)
]


class Grader(Section):
    """Python that scores samples, as either `source` or `file_id`."""

    type: Literal["python"]
    """Language of the program."""
    contract: Literal["sample", "batch", "model_backed"] = "sample"
    """`sample` needs `grade`, `batch` needs `grade_batch`, `model_backed` either of them."""
    # Stays None for `model_backed` when it is left out: CheckProgram's entry points decide later.
    execution: Literal["per_sample", "aggregate"] | None = None
    """A process for each sample, or one for all of a task and model. Default: `per_sample` when
    the contract is `sample`, `aggregate` when it is `batch`; with `model_backed`, `per_sample` if
    the program defines `grade`, else `aggregate`."""
    model_access: Annotated[Literal["none", "mka1"], Field(json_schema_extra=without_default)] = (
        "none"
    )
    """`mka1`: it may ask models. Default: `mka1` if the contract is `model_backed`, else `none`."""
    metric_id: MetricId = "score"
    """Name of the score when the program returns a single number."""
    source: Source | None = None
    """The program itself, at most 256 KiB."""
    file_id: Name | None = None
    """Id of an uploaded program with the purpose `evals`, at most 1 MiB."""
    timeout_seconds: TimeoutSeconds = 120
    """Time for one execution, model calls included."""
    max_model_calls: Annotated[WholeNumber, Field(ge=0, le=500)] = 64
    """Most model calls of one execution."""
    isolation: Literal["fresh", "preload", "files"] = "fresh"
    """What an execution starts from: `fresh` loads the program each time, `preload` once for all,
    `files` gives each execution a jail of its own, in which it may write in `/tmp`."""

    @classmethod
    def completed(cls, raw: RawObject) -> RawObject:
        """Fill in what follows from the contract."""
        return rules.grader_defaults(raw)

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterator[Problem]:
        """Inline source or a file."""
        return rules.program(raw)


class Embedding(EmbeddingProtocol):
    """What an `embedding` task embeds, and how vectors become scores."""

    train_dataset: Dataset | None = None
    """Training rows; required for the two kinds of classification."""
    corpus_dataset: Dataset | None = None
    """Documents; required for `retrieval` and `reranking`."""
    qrels_dataset: Dataset | None = None
    """Which documents are relevant for which queries; required for the same."""
    top_ranked_dataset: Dataset | None = None
    """Candidates of each query, for `reranking`. Default: the list in the query's own row."""

    @property
    def datasets(self) -> dict[str, Dataset]:
        """The datasets besides the task's own, by the names of their fields."""
        return {name: value for name in DATASETS if (value := getattr(self, name)) is not None}


class Task(Section):
    """One task: where its rows come from, how they become prompts, how answers are scored."""

    # What else is required depends on the type.
    model_config = ConfigDict(json_schema_extra=requires("id", "type", "dataset"))

    tagged_unions: ClassVar[frozenset[str]] = frozenset({"output_extraction"})

    id: TaskId
    """Name of the task, unique in the manifest: letters, digits, `_`, `.` and `-`."""
    type: rules.TaskType
    """Label for reports, without effect except for `embedding`, which scores vectors instead of
    answers, and `transcription`, whose models write down speech."""
    dataset: Dataset
    """Where the rows come from."""
    name: Annotated[str, Field(max_length=255)] | None = None
    """Title for people."""
    prompt_template: Text | None = None
    """Template of the prompt; required except for `embedding` and `transcription`."""
    target_template: Text | None = None
    """Template of the expected answer. Default: the row's column `target`, if there is one."""
    choices: (
        Annotated[
            tuple[Text, ...],
            Field(strict=False, json_schema_extra={"minItems": 2, "maxItems": LIST_LENGTH_MAX}),
            listed(least=2),
        ]
        | None
    ) = None
    """Templates of the options; templates and graders see the results as `choices`."""
    output_extraction: Extraction = NoExtraction()
    """How the answer is cut out of the model's text. Default: the text unchanged."""
    metrics: (
        Annotated[
            tuple[MetricEntry, ...],
            Field(strict=False, json_schema_extra={"maxItems": METRICS_MAX}),
            listed(most=METRICS_MAX),
        ]
        | None
    ) = None
    """Metrics the grader gives, in order of importance. Default: every score it gives."""
    grader: Grader | None = None
    """The program that scores answers; required except for `embedding`."""
    embedding: Embedding | None = None
    """Required for `embedding` tasks and only there: what is embedded and how it is scored."""
    preprocess: Preprocessor | None = None
    """A program that rewrites or drops rows first."""
    fewshot: Fewshot | None = None
    """Worked examples in front of each prompt. Default: none."""
    num_fewshot: ExampleCount | None = None
    """Short for `fewshot.count`; when both are given they must agree."""
    language: Name | None = None
    """Language of the speech, for `transcription` tasks: a BCP 47 or ISO 639 code, such as `uk`."""
    metadata: dict[str, JsonValue] | None = None
    """Anything of your own; kept and returned."""

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
    """What a suite version tests. Unknown fields are refused; a null counts as left out."""

    schema_version: Annotated[str, Field(min_length=1, max_length=64)] = "2026-05-27"
    """Version of the manifest's own format."""
    tasks: Annotated[
        tuple[Task, ...],
        Field(strict=False, json_schema_extra={"minItems": 1, "maxItems": 100}),
        listed(least=1, most=100),
    ]
    """The tasks; their ids differ."""
    metadata: dict[str, JsonValue] | None = None
    """Anything of your own; kept and returned."""

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterator[Problem]:
        """Task ids differ."""
        return rules.task_ids(raw)


def normalised_json(section: Section) -> bytes:
    """Return a manifest, or a part of one, as JSON with defaults and without empty keys.

    Parsing it gives an equal manifest.
    """
    return section.model_dump_json(exclude_none=True).encode()
