"""RunHistoryService over gRPC."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC

from orchestrator.domain.history import (
    HistoricalRun,
    HistoricalSample,
    HistoryFile,
    HistoryInvalid,
    HistoryOrder,
    HistoryTarget,
)
from orchestrator.usecases.import_history import ImportHistory
from proctor.runs.v1 import history_service_pb2 as pb
from proctor.runs.v1.history_service_pb2_grpc import RunHistoryServiceServicer
from servicekit.caller import current_caller


class HistoryRpc(RunHistoryServiceServicer):
    """Runs that happened elsewhere."""

    def __init__(self, import_history: ImportHistory) -> None:
        self._import_history = import_history

    async def LookUpHistory(
        self, request: pb.LookUpHistoryRequest, _context: object
    ) -> pb.LookUpHistoryResponse:
        """Tell where an import would go."""
        target = _target(request.target)
        found = await self._import_history.look_up(current_caller(), target, list(request.paths))
        return pb.LookUpHistoryResponse(
            suite_id=found.suite_id,
            suite_version=found.suite_version,
            latest_version=found.latest_version,
            task_ids=found.task_ids,
            files=[_file_message(file) for file in found.files],
        )

    async def StageHistory(
        self, request_iterator: AsyncIterator[pb.StageHistoryRequest], _context: object
    ) -> pb.StageHistoryResponse:
        """Take the samples of a future run."""
        requests = aiter(request_iterator)
        first = await anext(requests, None)
        if first is None or not first.HasField("header"):
            raise HistoryInvalid("the header comes first")
        time = first.header.time.ToDatetime(UTC)
        run_id = first.header.run_id
        counts = await self._import_history.stage(
            current_caller(), run_id, time, _batches(requests)
        )
        return pb.StageHistoryResponse(total=counts.total, failed=counts.failed)

    async def CommitHistory(
        self, request: pb.CommitHistoryRequest, _context: object
    ) -> pb.CommitHistoryResponse:
        """Make staged samples runs."""
        done = await self._import_history.commit(current_caller(), _order(request))
        return pb.CommitHistoryResponse(
            suite_id=done.suite_id,
            suite_version=done.suite_version,
            created_suite=done.created_suite,
            created_suite_version=done.created_suite_version,
            superseded_run_ids=done.superseded_run_ids,
        )

    async def AwaitHistory(
        self, request: pb.AwaitHistoryRequest, _context: object
    ) -> pb.AwaitHistoryResponse:
        """Wait until runs have ended."""
        caller, run_ids = current_caller(), list(request.run_ids)
        unfinished = await self._import_history.await_end(caller, run_ids)
        return pb.AwaitHistoryResponse(unfinished=unfinished)


async def _batches(
    requests: AsyncIterator[pb.StageHistoryRequest],
) -> AsyncIterator[Sequence[HistoricalSample]]:
    async for request in requests:
        yield _samples(request.samples)


def _samples(columns: pb.HistoricalSamples) -> Sequence[HistoricalSample]:
    rows = zip(
        columns.sample_index,
        columns.dataset_row_json,
        columns.prompt,
        _optional(columns.target, columns.has_target),
        _optional(columns.output_text, columns.has_output_text),
        _optional(columns.extracted_output, columns.has_extracted_output),
        columns.scores_json,
        columns.judge_json,
        columns.failure,
        strict=True,
    )
    try:
        return [HistoricalSample._make(row) for row in rows]
    except ValueError:
        raise HistoryInvalid("columns of samples have different lengths") from None


def _optional(texts: Sequence[str], there: Sequence[bool]) -> Iterator[str | None]:
    return (text if is_there else None for text, is_there in zip(texts, there, strict=True))


def _order(request: pb.CommitHistoryRequest) -> HistoryOrder:
    described = request.HasField("suite_description")
    return HistoryOrder(
        target=_target(request.target),
        suite_description=request.suite_description if described else None,
        suite_metadata=dict(request.suite_metadata),
        tasks={task.task_id: task.task_json for task in request.tasks},
        runs=[_run(run) for run in request.runs],
    )


def _run(run: pb.HistoricalRun) -> HistoricalRun:
    return HistoricalRun(
        id=run.run_id,
        task_id=run.task_id,
        model=run.model,
        generation_json=run.generation_json or b"{}",
        metadata=dict(run.metadata),
        time=run.time.ToDatetime(UTC),
        file=HistoryFile(path=run.file.path, commit=run.file.commit, sha256=run.file.sha256),
    )


def _target(target: pb.HistoryTarget) -> HistoryTarget:
    return HistoryTarget(suite_id=target.suite_id, suite_name=target.suite_name, repo=target.repo)


def _file_message(file: HistoryFile) -> pb.HistoryFile:
    return pb.HistoryFile(
        path=file.path, commit=file.commit, sha256=file.sha256, run_id=file.run_id
    )
