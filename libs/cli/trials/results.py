"""What came of a trial."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from statistics import fmean

from google.protobuf.duration_pb2 import Duration
from pydantic import JsonValue

from cli.trials.models import AskedCall
from proctor.sandbox.v1 import sandbox_service_pb2 as pb

JsonObject = dict[str, JsonValue]

SCORED = "scored"
_OUTCOME_PREFIX = "OUTCOME_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What an execution used and printed; None for what is not known."""

    run_time_s: float
    cpu_time_s: float | None
    peak_memory_bytes: int | None
    stdout: str
    stderr: str

    def as_json(self) -> JsonObject:
        """Return it for scripts."""
        return asdict(self)


_UNKNOWN: Mapping[str, JsonValue] = dict.fromkeys(known.name for known in fields(Used))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a sample has no scores."""

    code: str
    message: str
    stage: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedSample:
    """What came of one sample.

    Attributes:
        outcome: one word, `scored` or how its execution failed.
        problem: None exactly when it is scored.
        used: of its own execution; None when one execution graded all samples.
    """

    id: str
    sample_index: int
    outcome: str
    extracted_output: str | None
    scores: Mapping[str, int | float]
    judge: JsonObject | None
    problem: Problem | None
    used: Used | None
    calls: Sequence[AskedCall]

    def as_json(self) -> JsonObject:
        """Return it for scripts, in the words of the API's samples where those have some."""
        problem = self.problem
        error: JsonValue = None
        if problem is not None:
            error = {
                "code": problem.code,
                "message": problem.message,
                "stage": problem.stage,
                "traceback": problem.traceback or None,
            }
        return {
            "object": "trial.sample",
            "id": self.id,
            "sample_index": self.sample_index,
            "outcome": self.outcome,
            "extracted_output": self.extracted_output,
            "scores": dict(self.scores),
            "judge": self.judge,
            "error": error,
            **(_UNKNOWN if self.used is None else self.used.as_json()),
            "model_calls": calls_json(self.calls),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedExecution:
    """What came of one execution over all samples, besides their own results."""

    metrics: Mapping[str, int | float]
    used: Used
    calls: Sequence[AskedCall]

    def as_json(self) -> JsonObject:
        """Return it for scripts."""
        return {
            "object": "trial.execution",
            "metrics": dict(self.metrics),
            **self.used.as_json(),
            "model_calls": calls_json(self.calls),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of everything, samples in the order in which they were given.

    Attributes:
        execution: None when each sample had its own.
    """

    samples: Sequence[TriedSample]
    execution: TriedExecution | None = field(default=None)

    @property
    def all_scored(self) -> bool:
        """Whether no sample failed."""
        return all(sample.problem is None for sample in self.samples)

    def as_json(self) -> list[JsonObject]:
        """Return an object for each sample, and one for the execution that graded them all."""
        parts = [sample.as_json() for sample in self.samples]
        return parts if self.execution is None else [*parts, self.execution.as_json()]

    def means(self) -> dict[str, tuple[float, int]]:
        """Return the mean of each score over the samples that carry it, and how many those are."""
        values: dict[str, list[float]] = {}
        for sample in self.samples:
            for name, number in sample.scores.items():
                values.setdefault(name, []).append(number)
        return {name: (fmean(numbers), len(numbers)) for name, numbers in values.items()}


def tried_sample(
    outcome: pb.SampleOutcome, *, sample_index: int, calls: Sequence[AskedCall]
) -> TriedSample:
    """Read what the grader answered for one sample."""
    word = pb.Outcome.Name(outcome.outcome).removeprefix(_OUTCOME_PREFIX).lower()
    problem = None
    if outcome.outcome != pb.OUTCOME_SCORED:
        problem = Problem(
            code=outcome.error_code,
            message=outcome.error_message,
            stage=outcome.error_stage,
            traceback=outcome.traceback,
        )
    # Only an execution of the sample's own has a CPU time, or was lost before it was known.
    own = outcome.HasField("cpu_time") or outcome.outcome == pb.OUTCOME_JAIL_LOST
    return TriedSample(
        id=outcome.sample_id,
        sample_index=sample_index,
        outcome=word,
        extracted_output=outcome.extracted_output if outcome.HasField("extracted_output") else None,
        scores=json.loads(outcome.scores_json or b"{}"),
        judge=json.loads(outcome.judge_json or b"null"),
        problem=problem,
        used=_used(outcome) if own else None,
        calls=calls,
    )


def tried_execution(
    execution: pb.AggregateExecution, metrics_json: bytes, calls: Sequence[AskedCall]
) -> TriedExecution:
    """Read what the grader answered for the whole of an execution."""
    return TriedExecution(
        metrics=json.loads(metrics_json or b"{}"), used=_used(execution), calls=calls
    )


def calls_json(calls: Sequence[AskedCall]) -> JsonValue:
    """Return model calls for scripts."""
    return [{"method": call.method, "body": call.body} for call in calls]


def _used(told: pb.SampleOutcome | pb.AggregateExecution) -> Used:
    known = told.HasField("cpu_time")
    return Used(
        run_time_s=_seconds(told.run_time),
        cpu_time_s=_seconds(told.cpu_time) if known else None,
        peak_memory_bytes=told.peak_memory_bytes if known else None,
        stdout=told.stdout,
        stderr=told.stderr,
    )


def _seconds(duration: Duration) -> float:
    return duration.ToNanoseconds() / 1e9
