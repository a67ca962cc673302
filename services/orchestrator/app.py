"""The orchestrator's parts and how they fit together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import grpc

from blobstore.named import NamedObjects
from blobstore.store import BlobStore
from eventbus.bus import Bus
from eventbus.consumer import PullConsumer
from orchestrator.domain.work import RunStep
from orchestrator.inbound import work
from orchestrator.inbound.agents.agent_runs import AgentRunsRpc
from orchestrator.inbound.agents.trajectories import TrajectoriesRpc
from orchestrator.inbound.boards.rpc import BoardsRpc
from orchestrator.inbound.history import HistoryRpc
from orchestrator.inbound.run_wire import run_from
from orchestrator.inbound.runs import RunsRpc
from orchestrator.inbound.sample_audio import SampleAudioRpc
from orchestrator.inbound.schedules.rpc import SchedulesRpc
from orchestrator.inbound.suite_shares import SuiteSharesRpc
from orchestrator.inbound.suites import SuitesRpc
from orchestrator.outbound.artifacts import RunArtifacts
from orchestrator.outbound.postgres.agents.agent_runs import PostgresAgentRuns
from orchestrator.outbound.postgres.agents.trajectories import PostgresTrajectories
from orchestrator.outbound.postgres.boards.store import PostgresBoards
from orchestrator.outbound.postgres.boards.token_measures import PostgresTokenMeasures
from orchestrator.outbound.postgres.embedding import (
    PostgresEmbeddingChunks,
    PostgresUnneededVectors,
)
from orchestrator.outbound.postgres.history.imports import PostgresHistory
from orchestrator.outbound.postgres.history.stages import PostgresHistoryStages
from orchestrator.outbound.postgres.leases import PostgresLeases
from orchestrator.outbound.postgres.messages import WORK_RUN, WORK_SHARD, RunAnnouncer
from orchestrator.outbound.postgres.preparations import PostgresPreparations
from orchestrator.outbound.postgres.results import PostgresResults
from orchestrator.outbound.postgres.run_changes.changes import PostgresRunChanges
from orchestrator.outbound.postgres.run_changes.discards import PostgresDiscards
from orchestrator.outbound.postgres.run_changes.purging import PostgresPurges
from orchestrator.outbound.postgres.run_changes.stopping import RunStopper
from orchestrator.outbound.postgres.run_steps import PostgresRunSteps
from orchestrator.outbound.postgres.runs import PostgresRuns
from orchestrator.outbound.postgres.sample_audio import PostgresSampleAudio
from orchestrator.outbound.postgres.schedules.firings import PostgresFirings
from orchestrator.outbound.postgres.schedules.schedules import PostgresSchedules
from orchestrator.outbound.postgres.shard_samples import PostgresShardSamples
from orchestrator.outbound.postgres.shards import PostgresShards
from orchestrator.outbound.postgres.suite_shares import PostgresSuiteShares
from orchestrator.outbound.postgres.suites import PostgresSuites
from orchestrator.outbound.publishing import publisher
from orchestrator.outbound.scoring.process import ScoringProcess
from orchestrator.outbound.services.admission import GrpcAdmission
from orchestrator.outbound.services.bridge import GrpcBridge
from orchestrator.outbound.services.grader import GrpcSandbox
from orchestrator.outbound.services.importer import GrpcFiles, StoredDatasets
from orchestrator.outbound.streams import WORK, make_streams
from orchestrator.outbound.tokenizer import O200kCounter
from orchestrator.settings import Settings
from orchestrator.usecases.agents.append_trials import AppendTrials
from orchestrator.usecases.agents.complete_now import CompleteNow
from orchestrator.usecases.agents.record_run import RecordRun
from orchestrator.usecases.check_manifest import CheckManifest
from orchestrator.usecases.create_run import CreateRun
from orchestrator.usecases.create_suite import CreateSuite, CreateSuiteVersion
from orchestrator.usecases.embedding.drop_vectors import VectorRemover
from orchestrator.usecases.embedding.embed_shard import EmbedShard
from orchestrator.usecases.embedding.prepare_task import PrepareEmbedding
from orchestrator.usecases.finalize_run import FinalizeRun
from orchestrator.usecases.hold_run_token import RunTokens
from orchestrator.usecases.import_history import ImportHistory, StageRemover
from orchestrator.usecases.inline_programs import InlinePrograms
from orchestrator.usecases.keep_leases import LeaseKeeper
from orchestrator.usecases.leased_work import LeasedWork
from orchestrator.usecases.prepare_run import PrepareRun
from orchestrator.usecases.purge_runs import RunPurger
from orchestrator.usecases.remove_files import FileRemover
from orchestrator.usecases.run_shard import RunShard
from orchestrator.usecases.schedules.fire_schedules import FireSchedules
from orchestrator.usecases.schedules.keep_schedules import KeepSchedules
from orchestrator.usecases.schedules.starts import ScheduledStarts
from orchestrator.usecases.share_suite import ShareSuite
from orchestrator.usecases.stop_runs import StopRuns
from orchestrator.usecases.sweep import Sweeper
from orchestrator.usecases.task_rows import TaskRows
from orchestrator.usecases.token_counting.measure_suite import MeasureSuite
from pgstore.database import Database
from pgstore.migrations import upgrade
from pgstore.outbox import OutboxRelay
from proctor.boards.v1.board_service_pb2_grpc import add_BoardServiceServicer_to_server
from proctor.runs.v1.agent_run_service_pb2_grpc import add_AgentRunServiceServicer_to_server
from proctor.runs.v1.history_service_pb2_grpc import add_RunHistoryServiceServicer_to_server
from proctor.runs.v1.run_service_pb2_grpc import add_RunServiceServicer_to_server
from proctor.runs.v1.sample_audio_service_pb2_grpc import add_SampleAudioServiceServicer_to_server
from proctor.runs.v1.trajectory_service_pb2_grpc import add_TrajectoryServiceServicer_to_server
from proctor.schedules.v1.schedule_service_pb2_grpc import (
    add_ScheduleServiceServicer_to_server,
)
from proctor.suites.v1.share_service_pb2_grpc import add_SuiteShareServiceServicer_to_server
from proctor.suites.v1.suite_service_pb2_grpc import add_SuiteServiceServicer_to_server
from servicekit.client import open_channel
from servicekit.clock import SystemClock
from servicekit.lifecycle import Loop
from servicekit.server import RpcServer
from servicekit.turns import Turns

SCHEMA = "orchestrator"
VERSIONS = "orchestrator.outbound.migrations.versions"

# Days pass before anything is due.
_PURGE_PERIOD_S = 60.0
# Objects of runs, beside the blobs.
_OBJECTS = "runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stores:
    """The orchestrator's tables, each seen from one side."""

    database: Database
    suites: PostgresSuites
    suite_shares: PostgresSuiteShares
    runs: PostgresRuns
    changes: PostgresRunChanges
    discards: PostgresDiscards
    steps: PostgresRunSteps
    leases: PostgresLeases
    preparations: PostgresPreparations
    shards: PostgresShards
    samples: PostgresShardSamples
    results: PostgresResults
    agent_runs: PostgresAgentRuns
    trajectories: PostgresTrajectories
    history: PostgresHistory
    history_stages: PostgresHistoryStages
    schedules: PostgresSchedules
    firings: PostgresFirings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Services:
    """The other services."""

    bridge: GrpcBridge
    sandbox: GrpcSandbox
    files: GrpcFiles
    datasets: StoredDatasets
    objects: NamedObjects
    counter: O200kCounter
    admission: GrpcAdmission


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Sequence[Loop]]:
    """Bring the schema up to date and yield the loops of the service; closes everything after."""
    dsn, nats_url = settings.postgres_dsn.get_secret_value(), settings.nats_url.get_secret_value()
    await upgrade(dsn, schema=SCHEMA, versions_package=VERSIONS)
    async with AsyncExitStack() as stack:
        connecting = Database.connect(dsn, schema=SCHEMA, pool_size=settings.postgres_pool_size)
        stores = _stores(await stack.enter_async_context(connecting), settings)
        bus = await stack.enter_async_context(Bus.connect(nats_url, name=SCHEMA))
        await make_streams(
            bus, replicas=settings.nats_replicas, events_max_age_h=settings.events_max_age_h
        )
        services = await _services(stack, settings)
        keeper = LeaseKeeper(stores.leases, heartbeat_s=settings.heartbeat_s)
        create_run = _create_run(stores, settings)
        starts = ScheduledStarts(create_run, services.admission)
        period_s = settings.schedules_period_s
        yield (
            _server(stores, services, keeper, settings, create_run, starts),
            OutboxRelay(stores.database, publisher(bus)),
            keeper,
            *_consumers(bus, stores, services, keeper, settings),
            Sweeper(stores.leases, period_s=settings.sweep_s),
            FireSchedules(stores.firings, starts, SystemClock(), period_s=period_s),
            FileRemover(stores.discards, services.files, period_s=settings.sweep_s),
            VectorRemover(
                PostgresUnneededVectors(stores.database),
                services.objects,
                period_s=settings.sweep_s,
            ),
            RunPurger(
                PostgresPurges(stores.database),
                kept=timedelta(days=settings.deleted_runs_kept_d),
                period_s=_PURGE_PERIOD_S,
            ),
            StageRemover(stores.history_stages, SystemClock(), period_s=settings.sweep_s),
        )


def _stores(database: Database, settings: Settings) -> _Stores:
    announcer = RunAnnouncer(run_from)
    stopper = RunStopper(announcer)
    clock = SystemClock()
    return _Stores(
        database=database,
        suites=PostgresSuites(database, clock),
        suite_shares=PostgresSuiteShares(database, clock),
        runs=PostgresRuns(database, announcer, clock),
        changes=PostgresRunChanges(database, announcer, stopper),
        discards=PostgresDiscards(database),
        steps=PostgresRunSteps(database, announcer, lease_s=settings.lease_s),
        leases=PostgresLeases(database, stopper, lease_s=settings.lease_s),
        preparations=PostgresPreparations(database, stopper),
        shards=PostgresShards(database, stopper, lease_s=settings.lease_s),
        samples=PostgresShardSamples(database),
        results=PostgresResults(database, announcer),
        agent_runs=PostgresAgentRuns(database, announcer),
        trajectories=PostgresTrajectories(database),
        history=PostgresHistory(database, clock),
        history_stages=PostgresHistoryStages(database),
        schedules=PostgresSchedules(database),
        firings=PostgresFirings(database, announcer, clock),
    )


async def _services(stack: AsyncExitStack, settings: Settings) -> _Services:
    secret = settings.internal_secret.get_secret_value().encode()

    async def channel(address: str) -> grpc.aio.Channel:
        return await stack.enter_async_context(open_channel(address, secret=secret))

    importer = await channel(settings.importer_address)
    gateway = await channel(settings.bridge_address)
    bridge = GrpcBridge.open(gateway)
    return _Services(
        bridge=await stack.enter_async_context(bridge),
        sandbox=GrpcSandbox(await channel(settings.grader_address)),
        files=GrpcFiles(importer),
        datasets=StoredDatasets(importer, BlobStore.open(settings.blob_url.get_secret_value())),
        objects=NamedObjects.open(settings.blob_url.get_secret_value(), folder=_OBJECTS),
        counter=O200kCounter(),
        admission=GrpcAdmission(gateway),
    )


def _server(
    stores: _Stores,
    services: _Services,
    keeper: LeaseKeeper,
    settings: Settings,
    create_run: CreateRun,
    starts: ScheduledStarts,
) -> RpcServer:
    stop_runs = StopRuns(stores.changes, keeper)
    check_manifest = CheckManifest(services.files, services.sandbox)
    suites = SuitesRpc(
        stores.suites,
        create_suite=CreateSuite(stores.suites, check_manifest, SystemClock()),
        create_version=CreateSuiteVersion(stores.suites, check_manifest),
        stop_runs=stop_runs,
    )
    keep = KeepSchedules(stores.schedules, stores.firings, starts, SystemClock())
    runs = RunsRpc(stores.runs, stores.changes, create_run=create_run, stop_runs=stop_runs)
    return RpcServer(
        address=settings.rpc_address,
        secret=settings.internal_secret.get_secret_value().encode(),
        services=(
            (add_SuiteServiceServicer_to_server, suites, "proctor.suites.v1.SuiteService"),
            (
                add_SuiteShareServiceServicer_to_server,
                SuiteSharesRpc(ShareSuite(stores.suite_shares)),
                "proctor.suites.v1.SuiteShareService",
            ),
            (add_RunServiceServicer_to_server, runs, "proctor.runs.v1.RunService"),
            (
                add_SampleAudioServiceServicer_to_server,
                SampleAudioRpc(PostgresSampleAudio(stores.database)),
                "proctor.runs.v1.SampleAudioService",
            ),
            (
                add_AgentRunServiceServicer_to_server,
                _agent_runs(stores, _finalize(stores, services, keeper)),
                "proctor.runs.v1.AgentRunService",
            ),
            (
                add_TrajectoryServiceServicer_to_server,
                TrajectoriesRpc(stores.trajectories),
                "proctor.runs.v1.TrajectoryService",
            ),
            (
                add_RunHistoryServiceServicer_to_server,
                HistoryRpc(ImportHistory(stores.history, stores.history_stages)),
                "proctor.runs.v1.RunHistoryService",
            ),
            (
                add_ScheduleServiceServicer_to_server,
                SchedulesRpc(stores.schedules, keep),
                "proctor.schedules.v1.ScheduleService",
            ),
            (
                add_BoardServiceServicer_to_server,
                _boards(stores, services),
                "proctor.boards.v1.BoardService",
            ),
        ),
        ready=lambda: _answers(stores.database),
    )


def _create_run(stores: _Stores, settings: Settings) -> CreateRun:
    return CreateRun(
        stores.runs,
        stores.suites,
        generation_concurrency_max=settings.generation_concurrency_max,
        grader_concurrency_max=settings.grader_concurrency_max,
    )


def _agent_runs(stores: _Stores, finalize: FinalizeRun) -> AgentRunsRpc:
    agent_runs, suites = stores.agent_runs, stores.suites
    complete_now = CompleteNow(stores.runs, agent_runs, finalize)
    return AgentRunsRpc(
        RecordRun(agent_runs, suites, complete_now, SystemClock()),
        AppendTrials(agent_runs, stores.runs, suites, complete_now),
    )


def _boards(stores: _Stores, services: _Services) -> BoardsRpc:
    measures = PostgresTokenMeasures(stores.database)
    return BoardsRpc(
        PostgresBoards(stores.database), measure_suite=MeasureSuite(measures, services.counter)
    )


def _finalize(stores: _Stores, services: _Services, keeper: LeaseKeeper) -> FinalizeRun:
    return FinalizeRun(
        steps=stores.steps,
        results=stores.results,
        artifacts=RunArtifacts(services.files),
        leased=LeasedWork(stores.leases, stores.steps, keeper),
    )


def _consumers(
    bus: Bus, stores: _Stores, services: _Services, keeper: LeaseKeeper, settings: Settings
) -> tuple[PullConsumer, PullConsumer]:
    leased = LeasedWork(stores.leases, stores.steps, keeper)
    rows = TaskRows(services.files, services.datasets)
    prepare = PrepareRun(
        steps=stores.steps,
        preparations=stores.preparations,
        inline_programs=InlinePrograms(services.files, services.sandbox),
        embeddings=PrepareEmbedding(rows, stores.preparations, services.objects),
        rows=rows,
        sandbox=services.sandbox,
        leased=leased,
        shard_samples_max=settings.shard_samples_max,
    )
    finalize = _finalize(stores, services, keeper)
    run_shard = RunShard(
        shards=stores.shards,
        samples=stores.samples,
        tokens=RunTokens(services.bridge, stores.steps, SystemClock()),
        bridge=services.bridge,
        sandbox=services.sandbox,
        leased=leased,
        counter=services.counter,
        embeddings=EmbedShard(
            bridge=services.bridge,
            samples=stores.samples,
            chunks=PostgresEmbeddingChunks(stores.database),
            objects=services.objects,
            scorer=ScoringProcess(services.objects, at_once=settings.scorings_at_once),
        ),
    )
    run_steps = work.run_steps({RunStep.PREPARE: prepare, RunStep.FINALIZE: finalize})
    return (
        PullConsumer(
            bus,
            stream=WORK,
            durable="orchestrator-steps",
            subject=f"{WORK_RUN}.>",
            max_in_flight=settings.steps_at_once + work.WAITING_MAX,
            ack_wait_s=settings.lease_s,
            handler=work.in_turns(Turns(settings.steps_at_once), run_steps),
        ),
        PullConsumer(
            bus,
            stream=WORK,
            durable="orchestrator-shards",
            subject=WORK_SHARD,
            max_in_flight=settings.shards_at_once + work.WAITING_MAX,
            ack_wait_s=settings.lease_s,
            handler=work.in_turns(Turns(settings.shards_at_once), work.shards(run_shard)),
        ),
    )


async def _answers(database: Database) -> bool:
    async with database.connection() as connection:
        return await connection.fetchval("SELECT true") is True
