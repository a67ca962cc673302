"""What is to be graded and what came of it, as the service knows it; programs know less."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from grader.domain.isolation import Isolation
from grader.domain.model_calls import ModelAccess
from grader.domain.outcome import Ending, Limits
from grader.domain.result import Graded
from grader.domain.strict_json import Json, NotStrictJson, encode, parse
from servicekit.errors import Kind, ServiceError

TIMEOUT_S_DEFAULT = 120.0
CALLS_MAX_DEFAULT = 64
# A module body that takes longer is run by each execution for itself, under that one's own clock.
PRELOAD_S_MAX = 60.0

_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)|import[ \t]+([\w., \t]+))", re.MULTILINE)


class GraderInvalid(ServiceError):
    """The grader cannot be run as it stands; no sample was graded."""

    kind = Kind.INVALID_ARGUMENT
    reason = "GRADER_INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeTask:
    """One grader over the samples of one task and model.

    `team_id` is the full name of a team, with its organisation.
    `program` is what all its executions have in common, JSON, and `digest` its name; `facts` is
    what programs may know about the run, JSON.
    """

    team_id: str
    run_id: str
    program: bytes
    facts: bytes
    timeout_s: float
    access: ModelAccess
    run_token: str
    aggregate: bool
    concurrency: int

    digest: str
    isolation: Isolation = Isolation.FRESH

    def limits(self, memory_bytes: int) -> Limits:
        """What one execution may use.

        A second more of CPU than of wall clock only cuts graders whose threads compute on several
        cores.
        """
        return Limits(
            wall_s=self.timeout_s, memory_bytes=memory_bytes, cpu_s=int(self.timeout_s) + 1
        )

    def preload_limits(self, memory_bytes: int) -> Limits:
        """What the module body may use where it is run once for all executions."""
        wall_s = min(self.timeout_s, PRELOAD_S_MAX)
        return Limits(wall_s=wall_s, memory_bytes=memory_bytes, cpu_s=int(wall_s) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeSample:
    """One sample to grade. `row` and `choices` are JSON; empty choices are none."""

    sample_id: str
    sample_index: int
    row: bytes
    prompt: str
    target: str | None
    choices: bytes
    output_text: str | None
    response_id: str | None
    usage: Mapping[str, int]

    def encoded(self) -> bytes:
        """The sample as its program gets it, one line of JSON."""
        return orjson.dumps(
            {
                "id": self.sample_id,
                "sample_index": self.sample_index,
                "row": orjson.Fragment(self.row or b"{}"),
                "prompt": self.prompt,
                "target": self.target,
                "choices": orjson.Fragment(self.choices or b"null"),
                "output_text": self.output_text,
                "response_id": self.response_id,
                "usage": dict(self.usage),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What an execution used, and the beginnings of what it printed.

    `ending` is None when the jail was lost.
    """

    run_time_s: float
    ending: Ending | None = None
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleResult:
    """What came of one sample; `footprint` only where it had an execution of its own."""

    sample_id: str
    graded: Graded
    run_time_s: float
    footprint: Footprint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TogetherResult:
    """What came of an execution over many samples, besides their results; no metrics are none."""

    metrics: Mapping[str, int | float]
    footprint: Footprint


def digest(program: bytes) -> str:
    """Name of a program: the same text and settings, the same name."""
    return hashlib.sha256(program).hexdigest()


def grader_program(grader_json: bytes, extraction_json: bytes) -> tuple[bytes, dict[str, Json]]:
    """What a grading jail is loaded with, and the grader's settings without the source.

    Raises:
        GraderInvalid: the grader or the extraction is not what the manifest makes of them.
    """
    grader = _object(grader_json, "grader")
    extraction = _object(extraction_json, "output_extraction") if extraction_json else None
    source = grader.pop("source", None)
    if not isinstance(source, str):
        raise GraderInvalid("the grader has no source")
    program: dict[str, Json] = {
        "source": source,
        "grader": grader,
        "extraction": extraction,
        "imports": [*imported_modules(source)],
    }
    return encode(program), grader


def imported_modules(source: str) -> list[str]:
    """Modules a program seems to import, by a look at its text alone.

    A hint for the runner, which may import some of them once instead of each child again; a module
    too many or too few does no harm.
    """
    names: set[str] = {"asyncio"} if "async def" in source else set()
    for module, modules in _IMPORT.findall(source):
        names.add(module)
        names.update(name.split(" as ")[0].strip() for name in modules.split(","))
    return sorted(names - {""})


def timeout_s(settings: Mapping[str, Json]) -> float:
    """Wall-clock limit of one execution."""
    return float(_number(settings, "timeout_seconds", TIMEOUT_S_DEFAULT))


def isolation(settings: Mapping[str, Json]) -> Isolation:
    """What the grader's executions start from.

    Raises:
        GraderInvalid: that is not known here.
    """
    try:
        return Isolation(str(settings.get("isolation") or Isolation.FRESH))
    except ValueError:
        raise GraderInvalid("the grader's isolation is not known") from None


def model_access(
    settings: Mapping[str, Json], *, judge_model: str | None, embedding_model: str | None
) -> ModelAccess:
    """What the grader's programs may ask of models."""
    return ModelAccess(
        allowed=settings.get("model_access") == "mka1",
        judge_model=judge_model,
        embedding_model=embedding_model,
        calls_max=int(_number(settings, "max_model_calls", CALLS_MAX_DEFAULT)),
    )


def _object(raw: bytes, name: str) -> dict[str, Json]:
    try:
        value = parse(raw)
    except NotStrictJson as error:
        raise GraderInvalid(f"the {name} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise GraderInvalid(f"the {name} is not an object")
    return value


def _number(settings: Mapping[str, Json], key: str, default: float) -> float:
    value = settings.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise GraderInvalid(f"the grader's {key} is not a number")
    return value
