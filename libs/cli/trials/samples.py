"""The samples of a trial: what a grader receives, as far as a person can give it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, JsonValue, ValidationError

from cli.errors import NothingGraded
from cli.trials.reading import STDIN, read_argument, read_lines
from manifest.json_gate import open_json
from manifest.problem import Problem, to_violations
from manifest.section import RawObject, Section, WholeNumber, problems_of

SAMPLE_BYTES_MAX = 3 * 1024 * 1024  # what the grader takes in one message
_PROBLEMS_SHOWN_MAX = 20
_REASON = "INVALID_SAMPLE"

# What `proctor samples --json` prints, and which of it a grader receives.
_STORED = "eval.sample"
_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
_RECEIVED = (
    "id", "sample_index", "run_id", "task_id", "model", "dataset_row", "prompt", "target",
    "output_text", "response_id",
)  # fmt: skip

_Count = Annotated[WholeNumber, Field(ge=0, le=2**53)]
_Id = Annotated[str, Field(min_length=1, max_length=255)]


class Usage(Section):
    """Tokens of the model's answer."""

    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cached_tokens: _Count | None = None
    reasoning_tokens: _Count | None = None


class GivenSample(Section):
    """One sample as it was given; what is left out has the value that a run would give it."""

    id: _Id | None = None
    sample_index: Annotated[WholeNumber, Field(ge=0, le=2**31 - 1)] | None = None
    row: dict[str, JsonValue] | None = None
    dataset_row: dict[str, JsonValue] | None = None
    prompt: str | None = None
    target: str | None = None
    choices: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    output_text: str | None = None
    extracted_output: JsonValue = None
    response_id: str | None = None
    usage: Usage = Usage()
    run_id: _Id | None = None
    task_id: _Id | None = None
    model: _Id | None = None

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterator[Problem]:
        """One row, and no result of an extraction."""
        if "row" in raw and "dataset_row" in raw:
            yield Problem(("dataset_row",), _REASON, "is the same as `row`: give one of them")
        if "extracted_output" in raw:
            made = "is what the extraction finds: give `output_text`, and --extraction"
            yield Problem(("extracted_output",), _REASON, made)

    @property
    def columns(self) -> Mapping[str, JsonValue]:
        """The row, whichever name it came under."""
        return self.row or self.dataset_row or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What all samples of a trial have in common, as those of a run's task and model have."""

    run_id: str
    task_id: str
    model: str


def single_sample(
    sample: str | None, *, row: str | None, output: str | None, target: str | None
) -> GivenSample:
    """Return the sample of `--sample`, with what the short options say in its place.

    Raises:
        NothingGraded: something is wrong with it; says every problem with its field.
    """
    raw = {} if sample is None else _object(read_argument(sample), "--sample")
    raw = _received(raw)
    if row is not None:
        raw = {key: value for key, value in raw.items() if key != "dataset_row"}
        raw["row"] = _object(read_argument(row), "--row")
    short = {"output_text": output, "target": target}
    raw |= {key: value for key, value in short.items() if value is not None}
    found, problems = _validated(raw, "sample")
    if found is None:
        raise _refusal(problems)
    return found


def many_samples(path: Path) -> list[GivenSample]:
    """Return the samples of a JSON Lines file, of which `-` is the standard input.

    Raises:
        NothingGraded: something is wrong with one; says every problem with its line and field.
    """
    name = "The standard input" if str(path) == STDIN else str(path)
    samples: list[GivenSample] = []
    problems: list[str] = []
    for number, line in read_lines(path):
        where = f"line {number}: sample"
        opened = open_json(line, reason=_REASON, bytes_max=SAMPLE_BYTES_MAX)
        if opened.document is None or opened.problems:
            problems += [v.message for v in to_violations(where, opened.problems)]
            continue
        sample, wrong = _validated(_received(opened.document), where)
        problems += wrong
        samples += [] if sample is None else [sample]
    if problems:
        raise _refusal(problems, f"{name} has samples that cannot be used.")
    if not samples:
        raise NothingGraded(f"{name} has no samples.")
    return numbered(samples)


def numbered(samples: Iterable[GivenSample]) -> list[GivenSample]:
    """Return the samples with an id and an index each.

    Raises:
        NothingGraded: two have the same.
    """
    ready = []
    seen: set[str | int] = set()
    for place, sample in enumerate(samples):
        index = place if sample.sample_index is None else sample.sample_index
        id_ = sample.id or f"sample-{index}"
        if seen & {id_, index}:
            raise NothingGraded(
                f"Two samples have the id {id_} or the index {index}: give those of one task and "
                "model, or leave `id` and `sample_index` out."
            )
        seen |= {id_, index}
        ready.append(sample.model_copy(update={"id": id_, "sample_index": index}))
    return ready


def facts_of(samples: Sequence[GivenSample], *, task_id: str) -> Facts:
    """Return what the samples say of their run, task and model.

    Raises:
        NothingGraded: they do not agree; a run grades each task and model apart.
    """
    defaults = {"run_id": "trial", "task_id": task_id, "model": "model"}
    said: dict[str, str] = {}
    for field, default in defaults.items():
        values = {getattr(sample, field) for sample in samples} - {None}
        if len(values) > 1:
            some = ", ".join(sorted(values)[:3])
            raise NothingGraded(
                f"The samples have more than one `{field}` ({some}): a run grades each task and "
                "model apart, so give those of one."
            )
        said[field] = next(iter(values), default)
    return Facts(**said)


def _received(raw: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Reduce a sample as the API returns it to what graders receive; leave others alone."""
    if raw.get("object") != _STORED:
        return dict(raw)
    kept = {key: raw[key] for key in _RECEIVED if key in raw}
    usage = {name: raw[name] for name in _TOKENS if name in raw}
    return {**kept, "usage": usage}


def _validated(
    raw: Mapping[str, JsonValue], where: str
) -> tuple[GivenSample | None, Sequence[str]]:
    try:
        return GivenSample.model_validate(dict(raw)), ()
    except ValidationError as error:
        problems = list(problems_of(error, reason=_REASON))
    return None, [found.message for found in to_violations(where, problems)]


def _object(raw: bytes, name: str) -> dict[str, JsonValue]:
    opened = open_json(raw, reason=_REASON, bytes_max=SAMPLE_BYTES_MAX)
    if opened.document is None or opened.problems:
        raise _refusal([found.message for found in to_violations(name, opened.problems)])
    return dict(opened.document)


def _refusal(problems: Sequence[str], summary: str = "") -> NothingGraded:
    shown = list(problems[:_PROBLEMS_SHOWN_MAX])
    if more := len(problems) - len(shown):
        shown.append(f"and {more} more.")
    if summary:
        return NothingGraded(summary, details=shown)
    return NothingGraded(shown[0], details=shown[1:])
