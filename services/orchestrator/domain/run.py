"""One execution of a suite version against models."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.failure import Failure
from orchestrator.domain.metrics import Counts
from orchestrator.domain.run_states import ENDED, RunState
from orchestrator.domain.tokens import Tokens
from servicekit.errors import Kind, ServiceError


class RunNotFound(ServiceError):
    """There is no such run in the caller's team."""

    kind = Kind.NOT_FOUND
    reason = "RUN_NOT_FOUND"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no run {run_id}", run_id=run_id)


class RunIdTaken(ServiceError):
    """Another team has a run with this id."""

    kind = Kind.ALREADY_EXISTS
    reason = "RUN_ID_TAKEN"


class RunIdReused(ServiceError):
    """The run with this id was asked for otherwise: its id stands for an idempotency key."""

    kind = Kind.ALREADY_EXISTS
    reason = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self, run_id: str) -> None:
        message = f"this idempotency key already started {run_id} with another body"
        super().__init__(message, run_id=run_id, param="Idempotency-Key")


class UnknownSuiteVersion(ServiceError):
    """The suite has no such version to run."""

    kind = Kind.INVALID_ARGUMENT
    reason = "UNKNOWN_SUITE_VERSION"

    def __init__(self, suite_id: str, version: int) -> None:
        message = f"suite {suite_id} has no version {version}"
        super().__init__(message, param="suite_version", suite_id=suite_id, version=version)


class RunOrigin(StrEnum):
    """Where a run's results come from; the same words in REST, on the wire and in the table."""

    EXECUTED = "executed"
    """Executed here; the only kind that has shards and can be run again."""
    IMPORTED = "imported"
    """Recorded from result files of another harness."""
    AGENT = "agent"
    """Recorded trials of an agent, reported by whoever ran it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """The agent of a recorded run; what was not reported is None."""

    name: str
    version: str | None = None
    effort: str | None = None


@dataclass(frozen=True, slots=True)
class DiscardedFile:
    """A file of a run that nobody is to see any more."""

    id: str
    org_id: str
    team_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a run was asked to do; checked.

    Attributes:
        task_ids: Tasks it is restricted to; None is every task of the version.
        generation_json: Settings as the caller gave them.
        max_samples_per_task: Cap on rows per task; None for none.
    """

    models: Sequence[str]
    task_ids: Sequence[str] | None
    judge_model: str | None
    embedding_model: str | None
    generation_json: bytes
    generation_concurrency: int
    grader_concurrency: int
    max_samples_per_task: int | None
    metadata: Mapping[str, str]

    def wishes(self) -> list[object]:
        """Return what is equal for requests that ask for the same, however written as JSON."""
        return [
            list(self.models),
            None if self.task_ids is None else list(self.task_ids),
            self.judge_model,
            self.embedding_model,
            json.loads(self.generation_json or b"{}"),
            self.generation_concurrency,
            self.grader_concurrency,
            self.max_samples_per_task,
            dict(self.metadata),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as it is shown.

    Attributes:
        metrics_json: Empty until the run completed.
        edition: How often it was put back to work; its artifacts are of this edition.
        ended_at: When it reached completed, failed or cancelled.
        agent: Of runs whose origin is an agent, and of no others.
        cost_usd: As reported for the run, else the sum over its samples; None: nobody said.
        schedule_id: What started it by the clock; empty when somebody started it.
    """

    id: str
    org_id: str
    team_id: str
    on_behalf_of: str
    suite_id: str
    suite_version: int
    suite_version_id: str
    state: RunState
    request: RunRequest
    counts: Counts
    metrics_json: bytes
    error: Failure | None
    result_file_id: str | None
    samples_file_id: str | None
    edition: int
    tokens: Tokens
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    origin: RunOrigin = RunOrigin.EXECUTED
    agent: Agent | None = None
    cost_usd: float | None = None
    schedule_id: str = ""

    def __post_init__(self) -> None:
        """Refuse a run that has ended without a time, or the other way round."""
        assert (self.state in ENDED) == (self.ended_at is not None)
        assert (self.origin is RunOrigin.AGENT) == (self.agent is not None)

    @property
    def artifact_file_ids(self) -> list[str]:
        """Files the finished run left: results, then samples."""
        return [file_id for file_id in (self.result_file_id, self.samples_file_id) if file_id]
