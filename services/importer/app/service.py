"""The service's parts and how they fit together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc.aio

from blobstore.store import BlobStore
from importer.domain.dataset import RowLimits
from importer.inbound.files_rpc import FilesRpc
from importer.inbound.history_rpc import HistoryRpc
from importer.inbound.imports_rpc import ImportsRpc
from importer.inbound.sweeper import Sweeper
from importer.outbound.blob_uses import PostgresBlobUses
from importer.outbound.dataset_table import PostgresDatasets
from importer.outbound.file_table import PostgresFiles
from importer.outbound.history.finished import PostgresFinishedImports
from importer.outbound.history.runs import GrpcRunHistory
from importer.outbound.hub.opening import open_hub
from importer.outbound.hub.requests import Patience
from importer.outbound.parquet.reader import ParquetReader
from importer.settings import Settings
from importer.usecases.delete_file import DeleteFile
from importer.usecases.hub_datasets.resolve_hub_dataset import ResolveHubDataset
from importer.usecases.import_results import ImportResults
from importer.usecases.keep_imports import ImportKeeper
from importer.usecases.remove_unused import RemoveUnused
from importer.usecases.resolve_dataset import ResolveDataset
from importer.usecases.rows_at_rest import RowsAtRest
from importer.usecases.upload_file import UploadFile
from pgstore.database import Database
from pgstore.migrations import upgrade
from proctor.files.v1.file_service_pb2_grpc import add_FileServiceServicer_to_server
from proctor.imports.v1.history_service_pb2_grpc import add_HistoryServiceServicer_to_server
from proctor.imports.v1.import_service_pb2_grpc import add_ImportServiceServicer_to_server
from servicekit.client import open_channel
from servicekit.clock import SystemClock
from servicekit.lifecycle import Loop
from servicekit.server import RpcServer
from servicekit.turns import Turns

SCHEMA = "importer"
VERSIONS = "importer.outbound.migrations.versions"
NOBODY = "127.0.0.1:1"


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Sequence[Loop]]:
    """Bring the schema up to date and yield the loops of the service; closes everything after."""
    dsn = settings.postgres_dsn.get_secret_value()
    await upgrade(dsn, schema=SCHEMA, versions_package=VERSIONS)
    secret = settings.internal_secret.get_secret_value().encode()
    # Without an address calls fail as if nobody were there.
    orchestrator = open_channel(settings.orchestrator_address or NOBODY, secret=secret)
    async with Database.connect(dsn, schema=SCHEMA) as database, orchestrator as channel:
        blobs = BlobStore.open(settings.blob_url.get_secret_value())
        clock = SystemClock()
        files, datasets = PostgresFiles(database), PostgresDatasets(database)
        uses = PostgresBlobUses(database)
        at_rest = RowsAtRest(datasets=datasets, uses=uses, blobs=blobs, clock=clock)
        keeper = ImportKeeper(
            PostgresFinishedImports(database), clock, at_once=Turns(settings.imports_at_once)
        )
        server = RpcServer(
            address=settings.rpc_address,
            secret=secret,
            services=(
                (
                    add_FileServiceServicer_to_server,
                    _files_rpc(settings, files, uses, blobs, clock),
                    "proctor.files.v1.FileService",
                ),
                (
                    add_ImportServiceServicer_to_server,
                    _imports_rpc(settings, files, at_rest, blobs),
                    "proctor.imports.v1.ImportService",
                ),
                (
                    add_HistoryServiceServicer_to_server,
                    _history_rpc(settings, channel, keeper, clock),
                    "proctor.imports.v1.HistoryService",
                ),
            ),
            ready=lambda: _answers(database),
        )
        keep = timedelta(hours=settings.keep_rows_h)
        remove_unused = RemoveUnused(
            datasets=datasets, uses=uses, blobs=blobs, clock=clock, keep=keep
        )
        yield (server, keeper, Sweeper(remove_unused))


def _files_rpc(
    settings: Settings,
    files: PostgresFiles,
    uses: PostgresBlobUses,
    blobs: BlobStore,
    clock: SystemClock,
) -> FilesRpc:
    upload = UploadFile(
        files=files, uses=uses, blobs=blobs, clock=clock, max_bytes=settings.max_file_bytes
    )
    delete = DeleteFile(files=files, uses=uses, blobs=blobs)
    return FilesRpc(files=files, blobs=blobs, upload=upload, delete=delete)


def _imports_rpc(
    settings: Settings, files: PostgresFiles, at_rest: RowsAtRest, blobs: BlobStore
) -> ImportsRpc:
    at_once = Turns(settings.datasets_at_once)
    resolve = ResolveDataset(
        files=files, at_rest=at_rest, blobs=blobs, limits=row_limits(settings), at_once=at_once
    )
    return ImportsRpc(
        resolve=resolve, resolve_hub=hub_datasets(settings, at_rest=at_rest, at_once=at_once)
    )


def _history_rpc(
    settings: Settings, orchestrator: grpc.aio.Channel, keeper: ImportKeeper, clock: SystemClock
) -> HistoryRpc:
    import_results = ImportResults(
        GrpcRunHistory(orchestrator), clock, file_bytes_max=settings.max_result_file_bytes
    )
    return HistoryRpc(hub=open_hub(settings.hub_url), import_results=import_results, keeper=keeper)


async def _answers(database: Database) -> bool:
    async with database.connection() as connection:
        return await connection.fetchval("SELECT true") is True


def hub_datasets(settings: Settings, *, at_rest: RowsAtRest, at_once: Turns) -> ResolveHubDataset:
    """Return the use case that asks the hub with the operator's token."""
    hub = open_hub(settings.hub_url, patience=Patience(attempts=settings.hub_attempts))
    return ResolveHubDataset(
        hub=lambda: hub.asked_as(settings.hub_token),
        tables=ParquetReader(memory_bytes=settings.parquet_memory_bytes),
        at_rest=at_rest,
        limits=row_limits(settings),
        at_once=at_once,
        download_bytes_max=settings.max_hub_bytes,
        time_s=settings.hub_dataset_s,
    )


def row_limits(settings: Settings) -> RowLimits:
    """Return what one dataset may ask of the machine."""
    return RowLimits(
        row_bytes=settings.max_row_bytes,
        row_count=settings.max_rows,
        total_bytes=settings.max_rows_bytes,
    )
