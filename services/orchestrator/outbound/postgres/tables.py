"""Rows as they lie in the orchestrator's schema.

JSON that is only passed through is text: Postgres neither parses it nor stumbles over an escaped
U+0000 in it. Only `scores` is jsonb, because it is filtered and summed. Keys, checks and indexes
are in the migrations.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, JSON, BigInteger, DateTime, MetaData, SmallInteger, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class Row(SQLModel):
    """What all rows of this schema share: their own metadata, apart from other services' rows."""

    metadata = MetaData()


def _text(**options: Any) -> Any:
    return Field(sa_type=Text, **options)


def _moment(**options: Any) -> Any:
    return Field(sa_type=DateTime(timezone=True), **options)


def _whole(size: type[BigInteger | SmallInteger], **options: Any) -> Any:
    return Field(sa_type=size, **options)


def _labels() -> Any:
    # SQLAlchemy keeps the attribute `metadata` for itself.
    return Field(sa_type=JSON, sa_column_kwargs={"name": "metadata"})


class SuiteRow(Row, table=True):
    """A suite; a deleted one stays, unseen."""

    __tablename__ = "suites"

    suite_id: str = _text(primary_key=True)
    org_id: str = _text()
    team_id: str = _text()
    name: str = _text()
    description: str | None = _text(default=None)
    active_version: int
    latest_version: int
    labels: dict[str, str] = _labels()
    created_at: datetime = _moment()
    updated_at: datetime = _moment()
    deleted_at: datetime | None = _moment(default=None)


class SuiteVersionRow(Row, table=True):
    """One immutable version of a suite; `manifest` is normalised JSON."""

    __tablename__ = "suite_versions"

    suite_version_id: str = _text(primary_key=True)
    suite_id: str = _text()
    version: int
    manifest: str = _text()
    task_ids: list[str] = Field(sa_type=ARRAY(Text))
    dataset_file_ids: list[str] = Field(sa_type=ARRAY(Text))
    labels: dict[str, str] = _labels()
    created_at: datetime = _moment()


class SuiteShareRow(Row, table=True):
    """A grant: all teams of an organisation may read the suite and its runs."""

    __tablename__ = "suite_shares"

    share_id: str = _text(primary_key=True)
    suite_id: str = _text()
    org_id: str = _text()
    granted_by: str = _text()
    created_at: datetime = _moment()


class RunRow(Row, table=True):
    """A run, and who holds its current step (prepare or finalize).

    `completed` and `failed` are filled when it is finalised; before, its shards have the counts.
    """

    __tablename__ = "runs"

    run_id: str = _text(primary_key=True)
    org_id: str = _text()
    team_id: str = _text()
    on_behalf_of: str = _text()
    suite_id: str = _text()
    suite_version: int
    suite_version_id: str = _text()
    state: str = _text()
    models: list[str] = Field(sa_type=ARRAY(Text))
    task_ids: list[str] | None = Field(default=None, sa_type=ARRAY(Text))
    judge_model: str | None = _text(default=None)
    embedding_model: str | None = _text(default=None)
    generation: str = _text()
    generation_concurrency: int
    grader_concurrency: int
    max_samples_per_task: int | None = None
    labels: dict[str, str] = _labels()
    origin: str = _text(default="executed")
    agent_name: str | None = _text(default=None)
    agent_version: str | None = _text(default=None)
    agent_effort: str | None = _text(default=None)
    cost_usd: float | None = None
    given_cost_usd: float | None = None
    expected_trials: int | None = None
    idempotency_key: str | None = _text(default=None)
    request_sha256: str | None = _text(default=None)
    run_token: str = _text()
    total: int = 0
    completed: int | None = None
    failed: int | None = None
    metrics: str | None = _text(default=None)
    error_code: str | None = _text(default=None)
    error_message: str | None = _text(default=None)
    error_stage: str | None = _text(default=None)
    input_tokens: int | None = _whole(BigInteger, default=None)
    output_tokens: int | None = _whole(BigInteger, default=None)
    cached_tokens: int | None = _whole(BigInteger, default=None)
    reasoning_tokens: int | None = _whole(BigInteger, default=None)
    tokens_estimated: bool = False
    result_file_id: str | None = _text(default=None)
    samples_file_id: str | None = _text(default=None)
    edition: int = 0
    measured_edition: int | None = None
    finish_at: datetime | None = _moment(default=None)
    prepared_at: datetime | None = _moment(default=None)
    epoch: int = _whole(BigInteger, default=0)
    lease_until: datetime | None = _moment(default=None)
    dispatched_at: datetime = _moment()
    dispatches: int = 1
    mishaps: int = 0
    created_at: datetime = _moment()
    started_at: datetime | None = _moment(default=None)
    ended_at: datetime | None = _moment(default=None)
    deleted_at: datetime | None = _moment(default=None)
    schedule_id: str | None = _text(default=None)


class RunTaskRow(Row, table=True):
    """A task of a run, with the sources of its programs as they were when it was prepared."""

    __tablename__ = "run_tasks"

    run_id: str = _text(primary_key=True)
    task_ord: int = _whole(SmallInteger, primary_key=True)
    task_id: str = _text()
    grader: str = _text()
    extraction: str = _text()
    aggregate: bool
    item_count: int | None = None
    audio_column: str | None = _text(default=None)
    transcription: str | None = _text(default=None)
    embedding: str | None = _text(default=None)
    vectors_dropped: bool = False


class ItemRow(Row, table=True):
    """A prepared row of a run's task, shared by all models."""

    __tablename__ = "items"

    run_id: str = _text(primary_key=True)
    task_ord: int = _whole(SmallInteger, primary_key=True)
    sample_index: int = Field(primary_key=True)
    dataset_row: str = _text()
    prompt: str = _text()
    target: str | None = _text(default=None)
    choices: str | None = _text(default=None)
    error_code: str | None = _text(default=None)
    error_message: str | None = _text(default=None)
    audio: str | None = _text(default=None)


class SampleRow(Row, table=True):
    """One item answered by one model; `sample_key` are the 32 digits of its id."""

    __tablename__ = "samples"

    run_id: str = _text(primary_key=True)
    task_ord: int = _whole(SmallInteger, primary_key=True)
    model_ord: int = _whole(SmallInteger, primary_key=True)
    sample_index: int = Field(primary_key=True)
    sample_key: UUID
    state: str = _text()
    response_id: str | None = _text(default=None)
    output_text: str | None = _text(default=None)
    reasoning: str | None = _text(default=None)
    extracted_output: str | None = _text(default=None)
    scores: dict[str, float] | None = Field(default=None, sa_type=JSONB)
    judge: str | None = _text(default=None)
    error_code: str | None = _text(default=None)
    error_message: str | None = _text(default=None)
    error_stage: str | None = _text(default=None)
    error_details: str | None = _text(default=None)
    input_tokens: int | None = _whole(BigInteger, default=None)
    output_tokens: int | None = _whole(BigInteger, default=None)
    cached_tokens: int | None = _whole(BigInteger, default=None)
    reasoning_tokens: int | None = _whole(BigInteger, default=None)
    tokens_estimated: bool = False
    cost_usd: float | None = None
    phase_timings: str | None = _text(default=None)
    agent_s: float | None = None
    recorded: bool = False
    generation_started_at: datetime | None = _moment(default=None)
    generation_ended_at: datetime | None = _moment(default=None)
    created_at: datetime = _moment()
    started_at: datetime | None = _moment(default=None)
    ended_at: datetime | None = _moment(default=None)


class ShardRow(Row, table=True):
    """An index range of one task and model, who holds it, and how many of its samples ended."""

    __tablename__ = "shards"

    run_id: str = _text(primary_key=True)
    shard_no: int = Field(primary_key=True)
    kind: str = _text()
    state: str = _text()
    task_ord: int = _whole(SmallInteger)
    model_ord: int = _whole(SmallInteger)
    from_index: int
    to_index: int
    generation_share: int = 0
    grader_share: int = 0
    completed: int = 0
    failed: int = 0
    epoch: int = _whole(BigInteger, default=0)
    lease_until: datetime | None = _moment(default=None)
    dispatched_at: datetime | None = _moment(default=None)
    dispatches: int = 0
    mishaps: int = 0


class AggregateRow(Row, table=True):
    """Metrics that an aggregate execution returned for a whole task and model, as JSON."""

    __tablename__ = "aggregates"

    run_id: str = _text(primary_key=True)
    task_ord: int = _whole(SmallInteger, primary_key=True)
    model_ord: int = _whole(SmallInteger, primary_key=True)
    metrics: str = _text()


class SupersededSampleRow(Row, table=True):
    """A sample as it was before a rerun replaced its result."""

    __tablename__ = "superseded_samples"

    sample_key: UUID = Field(primary_key=True)
    edition: int = Field(primary_key=True)
    run_id: str = _text()
    sample: dict[str, Any] = Field(sa_type=JSON)


class TrajectoryRow(Row, table=True):
    """The session of an agent's trial; `steps` and `logs` are JSON as it was sent."""

    __tablename__ = "trajectories"

    sample_key: UUID = Field(primary_key=True)
    run_id: str = _text()
    schema_version: str = _text()
    step_count: int
    size_bytes: int
    steps: bytes
    logs: bytes | None = None
    stored_at: datetime = _moment()


class DiscardedFileRow(Row, table=True):
    """A file of a run that nobody is to see any more, until the importer has deleted it."""

    __tablename__ = "discarded_files"

    file_id: str = _text(primary_key=True)
    org_id: str = _text()
    team_id: str = _text()
    noted_at: datetime = _moment()
