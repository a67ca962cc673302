"""The service put together from its parts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

import grpc.aio
from fastapi import APIRouter
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.app.schema import SCHEMA, VERSIONS_PACKAGE
from gateway.bridge.building import BridgeLimits, build_bridge
from gateway.bridge.rpc import SERVICE_NAME as BRIDGE_SERVICE_NAME
from gateway.inbound.agents.runs import AgentRunRoutes
from gateway.inbound.agents.trajectories import TrajectoryRoutes
from gateway.inbound.application import rest_application
from gateway.inbound.audio.routes import SampleAudioRoutes
from gateway.inbound.boards.routes import BoardRoutes
from gateway.inbound.files import FileRoutes
from gateway.inbound.health import Check, HealthRoutes
from gateway.inbound.history.routes import HistoryRoutes
from gateway.inbound.rest.access import Access
from gateway.inbound.rest.server import HttpServer
from gateway.inbound.run_changes import RunChangeRoutes
from gateway.inbound.runs import RunRoutes
from gateway.inbound.samples import SampleRoutes
from gateway.inbound.schedules.admission_rpc import SERVICE_NAME as ADMISSION_SERVICE_NAME
from gateway.inbound.schedules.admission_rpc import AdmissionRpc
from gateway.inbound.schedules.routes import ScheduleRoutes
from gateway.inbound.shares.routes import ShareRoutes
from gateway.inbound.suites import SuiteRoutes
from gateway.inbound.webhooks.event_loop import RunEventLoop
from gateway.inbound.webhooks.run_events import RunEvents
from gateway.outbound.api_key_table import PostgresApiKeys
from gateway.outbound.usage_table import UsageTable
from gateway.outbound.webhooks.deliveries import PostgresDeliveries
from gateway.outbound.webhooks.receivers import ScheduleWebhooks, WebhookPosts
from gateway.settings import Settings, provider_environment
from gateway.usecases.admit_run import AdmitRun
from gateway.usecases.admit_scheduled_run import AdmitScheduledRuns
from gateway.usecases.authenticate import Authenticate
from gateway.usecases.deliver_webhooks import DeliverWebhooks
from pgstore.database import Database
from pgstore.migrations import upgrade
from proctor.boards.v1.board_service_pb2_grpc import BoardServiceStub
from proctor.files.v1.file_service_pb2_grpc import FileServiceStub
from proctor.imports.v1.history_service_pb2_grpc import HistoryServiceStub
from proctor.models.v1.model_bridge_service_pb2_grpc import add_ModelBridgeServiceServicer_to_server
from proctor.runs.v1.agent_run_service_pb2_grpc import AgentRunServiceStub
from proctor.runs.v1.run_service_pb2_grpc import RunServiceStub
from proctor.runs.v1.sample_audio_service_pb2_grpc import SampleAudioServiceStub
from proctor.runs.v1.trajectory_service_pb2_grpc import TrajectoryServiceStub
from proctor.schedules.v1.admission_service_pb2_grpc import add_AdmissionServiceServicer_to_server
from proctor.schedules.v1.schedule_service_pb2_grpc import ScheduleServiceStub
from proctor.suites.v1.share_service_pb2_grpc import SuiteShareServiceStub
from proctor.suites.v1.suite_service_pb2_grpc import SuiteServiceStub
from servicekit.client import open_channel
from servicekit.clock import SystemClock
from servicekit.lifecycle import Loop
from servicekit.logs import get_logger
from servicekit.public_web import PublicWeb
from servicekit.server import RpcServer

# Keys are cached and budgets reserved in chunks, so few queries run at once.
POOL_SIZE = 10
WEBHOOKS_PERIOD_S = 1.0

log = get_logger(__name__)


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Sequence[Loop]]:
    """Open what the gateway needs and yield its loops: REST and the model bridge."""
    secret = settings.internal_secret.get_secret_value().encode()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings))
        orchestrator = await stack.enter_async_context(
            open_channel(settings.orchestrator_address, secret=secret)
        )
        importer = await stack.enter_async_context(
            open_channel(settings.importer_address, secret=secret)
        )
        bridge = await stack.enter_async_context(
            build_bridge(
                models_file=settings.models_file,
                environ=provider_environment(),
                database=database,
                usage=UsageTable(database),
                run_token_secret=settings.run_token_secret.get_secret_value().encode(),
                limits=BridgeLimits(reachable_networks=settings.reachable_networks),
            )
        )
        admit_run = _admit_run(settings)
        admit = AdmitScheduledRuns(
            PostgresApiKeys(database),
            admit_run,
            secret=settings.run_token_secret.get_secret_value().encode(),
        )
        rest = rest_application(
            _collections(settings, database, orchestrator, importer, admit_run, admit),
            version=version("proctor"),
        )
        yield (
            HttpServer(rest, address=settings.http_address),
            RpcServer(
                address=settings.rpc_address,
                secret=secret,
                services=(
                    (add_ModelBridgeServiceServicer_to_server, bridge, BRIDGE_SERVICE_NAME),
                    (
                        add_AdmissionServiceServicer_to_server,
                        AdmissionRpc(admit),
                        ADMISSION_SERVICE_NAME,
                    ),
                ),
            ),
            *await _webhooks(stack, settings, database, orchestrator),
        )


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The gateway's own schema, brought up to date."""
    dsn = settings.postgres_dsn.get_secret_value()
    await upgrade(dsn, schema=SCHEMA, versions_package=VERSIONS_PACKAGE)
    async with Database.connect(dsn, schema=SCHEMA, pool_size=POOL_SIZE) as database:
        yield database


def _collections(
    settings: Settings,
    database: Database,
    orchestrator: grpc.aio.Channel,
    importer: grpc.aio.Channel,
    admit_run: AdmitRun,
    admit: AdmitScheduledRuns,
) -> Sequence[APIRouter]:
    clock = SystemClock()
    pepper = settings.key_pepper.get_secret_value().encode()
    access = Access(Authenticate(PostgresApiKeys(database), pepper=pepper, clock=clock))
    files = FileServiceStub(importer)
    suites, runs = SuiteServiceStub(orchestrator), RunServiceStub(orchestrator)
    usage = UsageTable(database)
    health = HealthRoutes(
        own={"postgres": _answers(database)},
        others={"orchestrator": _serves(orchestrator), "importer": _serves(importer)},
    )
    return (
        FileRoutes(files, access, upload_bytes_max=settings.max_upload_bytes).router(),
        SuiteRoutes(suites, access).router(),
        ShareRoutes(SuiteShareServiceStub(orchestrator), access).router(),
        RunRoutes(runs, access, admit_run, usage).router(),
        RunChangeRoutes(runs, access, admit_run, usage).router(),
        ScheduleRoutes(
            ScheduleServiceStub(orchestrator),
            runs=runs,
            access=access,
            admit=admit,
            grader_usage=usage,
            schemes=settings.webhook_schemes,
        ).router(),
        SampleRoutes(runs, access).router(),
        SampleAudioRoutes(SampleAudioServiceStub(orchestrator), access).router(),
        HistoryRoutes(HistoryServiceStub(importer), access).router(),
        BoardRoutes(BoardServiceStub(orchestrator), access, usage).router(),
        AgentRunRoutes(AgentRunServiceStub(orchestrator), access).router(),
        TrajectoryRoutes(TrajectoryServiceStub(orchestrator), access).router(),
        health.router(),
    )


def _admit_run(settings: Settings) -> AdmitRun:
    return AdmitRun(
        secret=settings.run_token_secret.get_secret_value().encode(),
        grader_models=settings.grader_models,
        max_calls=settings.max_calls_per_run,
        clock=SystemClock(),
    )


async def _webhooks(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    orchestrator: grpc.aio.Channel,
) -> Sequence[Loop]:
    """What tells webhooks of the runs of schedules; nothing without NATS."""
    if settings.nats_url is None:
        log.warning("webhooks_off", missing="GATEWAY_NATS_URL")
        return ()
    clock = SystemClock()
    web = await stack.enter_async_context(PublicWeb.open(reachable=settings.reachable_networks))
    deliveries = PostgresDeliveries(database, clock)
    receivers = ScheduleWebhooks(ScheduleServiceStub(orchestrator))
    events = RunEvents(RunServiceStub(orchestrator), receivers, deliveries, UsageTable(database))
    posts = WebhookPosts(web, schemes=settings.webhook_schemes)
    return (
        RunEventLoop(settings.nats_url.get_secret_value(), events),
        DeliverWebhooks(deliveries, receivers, posts, clock, period_s=WEBHOOKS_PERIOD_S),
    )


def _answers(database: Database) -> Check:
    async def check() -> bool:
        async with database.connection() as connection:
            answer: int = await connection.fetchval("SELECT 1")
            return answer == 1

    return check


def _serves(channel: grpc.aio.Channel) -> Check:
    probe = health_pb2_grpc.HealthStub(channel)

    async def check() -> bool:
        answer = await probe.Check(health_pb2.HealthCheckRequest())
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return check
