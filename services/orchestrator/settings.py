"""The orchestrator's settings; the only reader of its environment."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from variables that begin with `ORCHESTRATOR_`.

    Attributes:
        rpc_address: where gRPC is served, `host:port`; port 0 takes a free one.
        internal_secret: signs callers; the same in every service.
        postgres_dsn: the database, with the role that owns the schema `orchestrator`.
        postgres_pool_size: connections of each of the two pools.
        nats_url: the NATS server.
        blob_url: the object store, `file:///folder`; shared with the importer.
        grader_address: gRPC of the grader.
        importer_address: gRPC of the importer.
        bridge_address: gRPC of the model bridge, in the gateway.
        log_level: the least severe level that is logged.
        log_json: one JSON object a line instead of text for people.
        shards_at_once: shards that this process works on at the same time; a team that has none of
            them gets one more.
        steps_at_once: runs that this process prepares or finalises at the same time; a team that
            has none of them gets one more.
        scorings_at_once: processes that score embedding tasks at the same time, one core each; a
            team that has none of them gets one more.
        shard_samples_max: samples of a shard at most.
        lease_s: how long a lease is good without renewal: a dead worker's shard waits this long.
        heartbeat_s: time between renewals.
        sweep_s: time between looks for work that nobody has.
        schedules_period_s: time between looks for schedules that are due.
        generation_concurrency_max: a run's wish above this is silently lowered to it.
        grader_concurrency_max: the same for grader executions.
        events_max_age_h: how long events stay in NATS for subscribers that were away.
        nats_replicas: copies of the streams in a NATS cluster.
        deleted_runs_kept_d: days that the rows of a deleted run stay in Postgres, unseen.
    """

    model_config = SettingsConfigDict(
        env_prefix="ORCHESTRATOR_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    rpc_address: str
    internal_secret: Annotated[SecretStr, Field(min_length=32)]
    postgres_dsn: SecretStr
    postgres_pool_size: Annotated[int, Field(ge=2, le=100)] = 10
    nats_url: SecretStr
    blob_url: SecretStr
    grader_address: str
    importer_address: str
    bridge_address: str
    log_level: str = "info"
    log_json: bool = True
    shards_at_once: Annotated[int, Field(ge=1, le=1_000)] = 64
    steps_at_once: Annotated[int, Field(ge=1, le=100)] = 4
    scorings_at_once: Annotated[int, Field(ge=1, le=100)] = 2
    shard_samples_max: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    lease_s: Annotated[float, Field(ge=0.5, le=600)] = 10.0
    heartbeat_s: Annotated[float, Field(ge=0.1, le=200)] = 3.0
    sweep_s: Annotated[float, Field(ge=0.1, le=600)] = 5.0
    schedules_period_s: Annotated[float, Field(ge=0.05, le=60)] = 1.0
    generation_concurrency_max: Annotated[int, Field(ge=1, le=1_000)] = 1_000
    grader_concurrency_max: Annotated[int, Field(ge=1, le=1_000)] = 1_000
    events_max_age_h: Annotated[float, Field(gt=0, le=8_760)] = 168.0
    nats_replicas: Annotated[int, Field(ge=1, le=5)] = 1
    deleted_runs_kept_d: Annotated[float, Field(ge=1, le=36_500)] = 30.0

    @model_validator(mode="after")
    def _heartbeat_fits_the_lease(self) -> Self:
        # One renewal may be lost without the lease being lost.
        if self.heartbeat_s * 2 > self.lease_s:
            raise ValueError("heartbeat_s must be at most half of lease_s")
        return self
