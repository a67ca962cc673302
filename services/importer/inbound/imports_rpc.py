"""ImportService: what comes in, over gRPC."""

from dataclasses import dataclass

import grpc
from pydantic import ValidationError

from importer.domain.dataset import DatasetError, RowFormat
from importer.inbound.files_wire import owner_of
from importer.usecases.resolve_dataset import ResolveDataset
from manifest.schema import Dataset
from proctor.imports.v1 import import_service_pb2 as pb
from proctor.imports.v1 import import_service_pb2_grpc as rpc
from servicekit.caller import current_caller


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportsRpc(rpc.ImportServiceServicer):
    """Serves the team of the caller."""

    resolve: ResolveDataset

    async def ResolveDataset(
        self,
        request: pb.ResolveDatasetRequest,
        _context: grpc.aio.ServicerContext[pb.ResolveDatasetRequest, pb.ResolveDatasetResponse],
    ) -> pb.ResolveDatasetResponse:
        """Turn a dataset into rows at rest."""
        dataset = _dataset(request.dataset_json)
        if dataset.file_id is None:
            raise DatasetError(
                "datasets from the Hugging Face hub are not supported yet; upload a file",
                param="source",
            )
        rows = await self.resolve(
            owner_of(current_caller()),
            file_id=dataset.file_id,
            row_format=RowFormat(dataset.format) if dataset.format else None,
            max_rows=dataset.max_rows,
        )
        return pb.ResolveDatasetResponse(
            rows_sha256=rows.sha256, row_count=rows.row_count, size_bytes=rows.size_bytes
        )


def _dataset(raw: bytes) -> Dataset:
    try:
        return Dataset.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(step) for step in ("dataset", *first["loc"]))
        raise DatasetError(f"{path}: {first['msg']}", param=path) from None
