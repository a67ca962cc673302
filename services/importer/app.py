"""The importer's parts and how they fit together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from blobstore.store import BlobStore
from importer.domain.dataset import RowLimits
from importer.inbound.files_rpc import FilesRpc
from importer.inbound.imports_rpc import ImportsRpc
from importer.inbound.sweeper import Sweeper
from importer.outbound.blob_uses import PostgresBlobUses
from importer.outbound.dataset_table import PostgresDatasets
from importer.outbound.file_table import PostgresFiles
from importer.settings import Settings
from importer.usecases.delete_file import DeleteFile
from importer.usecases.remove_unused import RemoveUnused
from importer.usecases.resolve_dataset import ResolveDataset
from importer.usecases.rows_at_rest import RowsAtRest
from importer.usecases.upload_file import UploadFile
from pgstore.database import Database
from pgstore.migrations import upgrade
from proctor.files.v1.file_service_pb2_grpc import add_FileServiceServicer_to_server
from proctor.imports.v1.import_service_pb2_grpc import add_ImportServiceServicer_to_server
from servicekit.clock import SystemClock
from servicekit.lifecycle import Loop
from servicekit.server import RpcServer
from servicekit.turns import Turns

SCHEMA = "importer"
VERSIONS = "importer.outbound.migrations.versions"


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Sequence[Loop]]:
    """Bring the schema up to date and yield the loops of the service; closes everything after."""
    dsn = settings.postgres_dsn.get_secret_value()
    await upgrade(dsn, schema=SCHEMA, versions_package=VERSIONS)
    async with Database.connect(dsn, schema=SCHEMA) as database:
        blobs = BlobStore.open(settings.blob_url.get_secret_value())
        clock = SystemClock()
        files = PostgresFiles(database)
        datasets = PostgresDatasets(database)
        uses = PostgresBlobUses(database)
        upload = UploadFile(
            files=files, uses=uses, blobs=blobs, clock=clock, max_bytes=settings.max_file_bytes
        )
        resolve = ResolveDataset(
            files=files,
            at_rest=RowsAtRest(datasets=datasets, uses=uses, blobs=blobs, clock=clock),
            blobs=blobs,
            limits=row_limits(settings),
            at_once=Turns(settings.datasets_at_once),
        )
        remove_unused = RemoveUnused(
            datasets=datasets,
            uses=uses,
            blobs=blobs,
            clock=clock,
            keep=timedelta(hours=settings.keep_rows_h),
        )
        files_rpc = FilesRpc(
            files=files,
            blobs=blobs,
            upload=upload,
            delete=DeleteFile(files=files, uses=uses, blobs=blobs),
        )
        server = RpcServer(
            address=settings.rpc_address,
            secret=settings.internal_secret.get_secret_value().encode(),
            services=(
                (add_FileServiceServicer_to_server, files_rpc, "proctor.files.v1.FileService"),
                (
                    add_ImportServiceServicer_to_server,
                    ImportsRpc(resolve=resolve),
                    "proctor.imports.v1.ImportService",
                ),
            ),
            ready=lambda: _answers(database),
        )
        yield (server, Sweeper(remove_unused))


async def _answers(database: Database) -> bool:
    async with database.connection() as connection:
        return await connection.fetchval("SELECT true") is True


def row_limits(settings: Settings) -> RowLimits:
    """Return what one dataset may ask of the machine."""
    return RowLimits(
        row_bytes=settings.max_row_bytes,
        row_count=settings.max_rows,
        total_bytes=settings.max_rows_bytes,
    )
