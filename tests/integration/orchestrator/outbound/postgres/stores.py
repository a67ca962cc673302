"""The orchestrator's stores over a fresh schema, and runs made without any service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from orchestrator.app import SCHEMA, VERSIONS
from orchestrator.domain.run import RunRequest
from orchestrator.domain.sharding import TaskSize, plan_shards
from orchestrator.domain.suite import Suite, VersionContent, VersionRef
from orchestrator.domain.work import Item, PreparedTask, RunJob, RunStep
from orchestrator.inbound.run_wire import run_from
from orchestrator.outbound.postgres.leases import PostgresLeases
from orchestrator.outbound.postgres.messages import RunAnnouncer
from orchestrator.outbound.postgres.preparations import PostgresPreparations
from orchestrator.outbound.postgres.results import PostgresResults
from orchestrator.outbound.postgres.run_changes.changes import PostgresRunChanges
from orchestrator.outbound.postgres.run_changes.discards import PostgresDiscards
from orchestrator.outbound.postgres.run_changes.stopping import RunStopper
from orchestrator.outbound.postgres.run_steps import PostgresRunSteps
from orchestrator.outbound.postgres.runs import PostgresRuns
from orchestrator.outbound.postgres.shard_samples import PostgresShardSamples
from orchestrator.outbound.postgres.shards import PostgresShards
from orchestrator.outbound.postgres.suites import PostgresSuites
from pgstore.database import Database
from pgstore.migrations import upgrade
from servicekit.caller import Caller
from servicekit.clock import SystemClock

CALLER = Caller(org_id="org", team_id="team")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Stores:
    """All stores of one schema."""

    database: Database
    lease_s: float = 60

    def __post_init__(self) -> None:
        announcer, clock = RunAnnouncer(run_from), SystemClock()
        stopper = RunStopper(announcer)
        self.changes = PostgresRunChanges(self.database, announcer, stopper)
        self.discards = PostgresDiscards(self.database)
        self.suites = PostgresSuites(self.database, clock)
        self.runs = PostgresRuns(self.database, announcer, clock)
        self.steps = PostgresRunSteps(self.database, announcer, lease_s=self.lease_s)
        self.leases = PostgresLeases(self.database, stopper, lease_s=self.lease_s)
        self.preparations = PostgresPreparations(self.database, stopper)
        self.shards = PostgresShards(self.database, stopper, lease_s=self.lease_s)
        self.samples = PostgresShardSamples(self.database)
        self.results = PostgresResults(self.database, announcer)

    async def add_run(self, **changes: Any) -> str:
        """A queued run of a new suite."""
        suite_id, run_id = f"eval_suite_{uuid4().hex}", f"eval_run_{uuid4().hex}"
        suite = Suite(
            id=suite_id,
            org_id="org",
            team_id="team",
            name="suite",
            description=None,
            active_version=1,
            latest_version=1,
            metadata={},
            created_at=NOW,
            updated_at=NOW,
        )
        content = VersionContent(
            manifest_json=b"{}", task_ids=["task"], dataset_file_ids=[], metadata={}
        )
        await self.suites.add(suite, content)
        version = await self.suites.find_version(CALLER, suite_id, None)
        assert isinstance(version, VersionRef)
        await self.runs.add(CALLER, run_id, request(**changes), version, "token")
        return run_id

    async def add_prepared_run(
        self, items: int = 4, *, aggregate: bool = False, shard_size: int = 2, **changes: Any
    ) -> str:
        """A run whose shards are dispatched."""
        job = await self.take_step(await self.add_run(**changes), RunStep.PREPARE)
        lease = job.lease
        await self.steps.start(lease)
        await self.preparations.add_items(lease, 0, [item(index) for index in range(items)])
        await self.preparations.complete_task(lease, prepared(items, aggregate=aggregate))
        size = TaskSize(task_ord=0, item_count=items, aggregate=aggregate)
        plan = plan_shards([size], len(job.run.request.models), samples_max=shard_size)
        await self.preparations.complete(lease, plan)
        return lease.run_id

    async def take_step(self, run_id: str, step: RunStep) -> RunJob:
        """A step that must be due."""
        job = await self.steps.take(run_id, step)
        assert job is not None
        return job

    async def query(self, statement: str, *values: object) -> list[Any]:
        async with self.database.connection() as connection:
            return list(await connection.fetch(statement, *values))

    async def execute(self, statement: str, *values: object) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *values)

    async def messages(self, subject: str) -> list[bytes]:
        """Payloads in the outbox whose subject begins so, oldest first."""
        statement = "SELECT payload FROM outbox WHERE starts_with(subject, $1) ORDER BY id"
        return [row["payload"] for row in await self.query(statement, subject)]


@asynccontextmanager
async def opened(dsn: str, *, lease_s: float = 60) -> AsyncIterator[Stores]:
    """Stores over a migrated schema."""
    await upgrade(dsn, schema=SCHEMA, versions_package=VERSIONS)
    async with Database.connect(dsn, schema=SCHEMA) as database:
        yield Stores(database, lease_s=lease_s)


def request(**changes: Any) -> RunRequest:
    given: dict[str, Any] = {
        "models": ["model"],
        "task_ids": None,
        "judge_model": None,
        "embedding_model": None,
        "generation_json": b"{}",
        "generation_concurrency": 4,
        "grader_concurrency": 2,
        "max_samples_per_task": None,
        "metadata": {},
    }
    return RunRequest(**given | changes)


def item(index: int, *, error: str | None = None) -> Item:
    return Item(
        sample_index=index,
        row_json="{}",
        prompt=f"prompt {index}",
        target=str(index),
        choices_json=None,
        error_code=error,
        error_message=error,
    )


def prepared(items: int, *, aggregate: bool = False) -> PreparedTask:
    return PreparedTask(
        task_ord=0,
        task_id="task",
        grader_json=b"{}",
        extraction_json=b"{}",
        aggregate=aggregate,
        item_count=items,
    )
