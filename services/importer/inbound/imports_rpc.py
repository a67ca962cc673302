"""ImportService: what comes in, over gRPC."""

from dataclasses import dataclass

import grpc
from pydantic import ValidationError

from importer.domain.dataset import DatasetError, RowFormat
from importer.domain.hub_datasets.wanted import WantedDataset, patterns_of
from importer.inbound.files_wire import owner_of
from importer.usecases.hub_datasets.resolve_hub_dataset import ResolveHubDataset
from importer.usecases.resolve_dataset import ResolveDataset
from manifest.schema import Dataset
from proctor.imports.v1 import import_service_pb2 as pb
from proctor.imports.v1 import import_service_pb2_grpc as rpc
from servicekit.caller import current_caller


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportsRpc(rpc.ImportServiceServicer):
    """Serves the team of the caller."""

    resolve: ResolveDataset
    resolve_hub: ResolveHubDataset

    async def ResolveDataset(
        self,
        request: pb.ResolveDatasetRequest,
        _context: grpc.aio.ServicerContext[pb.ResolveDatasetRequest, pb.ResolveDatasetResponse],
    ) -> pb.ResolveDatasetResponse:
        """Turn a dataset into rows at rest."""
        dataset = _dataset(request.dataset_json)
        owner = owner_of(current_caller())
        if dataset.path is not None:
            rows = await self.resolve_hub(owner, _wanted(dataset.path, dataset))
        elif dataset.file_id is not None:
            rows = await self.resolve(
                owner,
                file_id=dataset.file_id,
                row_format=RowFormat(dataset.format) if dataset.format else None,
                max_rows=dataset.max_rows,
            )
        else:
            raise DatasetError("needs exactly one of `file_id` and `path`", param="dataset")
        return pb.ResolveDatasetResponse(
            rows_sha256=rows.sha256, row_count=rows.row_count, size_bytes=rows.size_bytes
        )


def _wanted(repo: str, dataset: Dataset) -> WantedDataset:
    return WantedDataset(
        repo=repo,
        config=dataset.name,
        split=dataset.split,
        revision=dataset.revision,
        data_files=patterns_of(dataset.data_files),
        max_rows=dataset.max_rows,
    )


def _dataset(raw: bytes) -> Dataset:
    try:
        return Dataset.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(step) for step in ("dataset", *first["loc"]))
        raise DatasetError(f"{path}: {first['msg']}", param=path) from None
