"""What imports a folder, without a service: only the orchestrator is asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from importer.outbound.history.runs import GrpcRunHistory
from importer.settings import FolderSettings
from importer.usecases.import_results import ImportResults
from servicekit.client import open_channel
from servicekit.clock import SystemClock


@asynccontextmanager
async def folder_import(settings: FolderSettings) -> AsyncIterator[ImportResults]:
    """Open a channel to the orchestrator and yield the use case; closes the channel after."""
    secret = settings.internal_secret.get_secret_value().encode()
    async with open_channel(settings.orchestrator_address, secret=secret) as channel:
        yield ImportResults(
            GrpcRunHistory(channel), SystemClock(), file_bytes_max=settings.max_result_file_bytes
        )
