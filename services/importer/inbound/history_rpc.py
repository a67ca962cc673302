"""HistoryService: results of evaluations that happened elsewhere, over gRPC."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
from pydantic import SecretStr

from importer.domain.history import FileReport, ImportOrder, ImportReport
from importer.inbound.files_wire import owner_of
from importer.usecases.history_ports import Repositories
from importer.usecases.import_results import ImportResults
from importer.usecases.keep_imports import ImportKeeper
from proctor.imports.v1 import history_service_pb2 as pb
from proctor.imports.v1 import history_service_pb2_grpc as rpc
from servicekit.caller import current_caller


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRpc(rpc.HistoryServiceServicer):
    """Serves the team of the caller."""

    hub: Repositories
    import_results: ImportResults
    keeper: ImportKeeper

    async def ImportHistory(
        self,
        request: pb.ImportHistoryRequest,
        _context: grpc.aio.ServicerContext[pb.ImportHistoryRequest, pb.ImportHistoryResponse],
    ) -> AsyncIterator[pb.ImportHistoryResponse]:
        """Import results; answers once."""
        order = _order(request)
        token = SecretStr(request.hub_token)

        async def work() -> bytes:
            async with self.hub.asked_as(token) as source:
                report = await self.import_results(order, source)
            return _message(report).SerializeToString()

        owner = owner_of(current_caller())
        answer = await self.keeper.answer(owner, order, work, token=token)
        yield pb.ImportHistoryResponse.FromString(answer)


def _order(request: pb.ImportHistoryRequest) -> ImportOrder:
    described = request.HasField("suite_description")
    return ImportOrder(
        repo=request.repo,
        revision=request.revision,
        path_prefix=request.path_prefix,
        files=list(request.files),
        suite_id=request.suite_id,
        suite_name=request.suite_name,
        suite_description=request.suite_description if described else None,
        create_missing_tasks=request.create_missing_tasks,
        dry_run=request.dry_run,
        limit_files=request.limit_files,
        metadata=dict(request.metadata),
    )


def _message(report: ImportReport) -> pb.ImportHistoryResponse:
    skipped = sum(1 for file in report.files if file.skipped is not None)
    return pb.ImportHistoryResponse(
        suite_id=report.suite_id,
        suite_version=report.suite_version,
        created_suite=report.created_suite,
        created_suite_version=report.created_suite_version,
        discovered_files=report.discovered_files,
        imported_runs=len(report.files) - skipped,
        skipped_runs=skipped,
        imported_samples=report.imported_samples,
        files=[_file(file) for file in report.files],
    )


def _file(file: FileReport) -> pb.ImportedFile:
    return pb.ImportedFile(
        path=file.path,
        status="imported" if file.skipped is None else "skipped",
        run_id=file.run_id,
        reason=file.skipped or "",
    )
