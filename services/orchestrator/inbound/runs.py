"""RunService over gRPC."""

from orchestrator.inbound.run_wire import (
    run_draft_from,
    run_filter_from,
    run_from,
    sample_filter_from,
    sample_from,
)
from orchestrator.inbound.wire import page_from
from orchestrator.ports.stores import RunChanges, Runs
from orchestrator.usecases.create_run import CreateRun
from orchestrator.usecases.stop_runs import StopRuns
from proctor.common.v1.page_pb2 import PageInfo
from proctor.runs.v1 import run_service_pb2 as pb
from proctor.runs.v1.run_service_pb2_grpc import RunServiceServicer
from servicekit.caller import current_caller

_PAGE_DEFAULT = 20
_PAGE_MAX = 100
_SAMPLES_DEFAULT = 100
_SAMPLES_MAX = 500


class RunsRpc(RunServiceServicer):
    """Runs, their samples and artifacts."""

    def __init__(
        self, runs: Runs, changes: RunChanges, *, create_run: CreateRun, stop_runs: StopRuns
    ) -> None:
        self._runs = runs
        self._changes = changes
        self._create_run = create_run
        self._stop_runs = stop_runs

    async def CreateRun(
        self, request: pb.CreateRunRequest, _context: object
    ) -> pb.CreateRunResponse:
        """Store a run and answer at once."""
        run = await self._create_run(current_caller(), run_draft_from(request))
        return pb.CreateRunResponse(run=run_from(run))

    async def GetRun(self, request: pb.GetRunRequest, _context: object) -> pb.GetRunResponse:
        """Get one run."""
        run = await self._runs.get(current_caller(), request.run_id)
        return pb.GetRunResponse(run=run_from(run))

    async def ListRuns(self, request: pb.ListRunsRequest, _context: object) -> pb.ListRunsResponse:
        """List the runs that the caller sees, newest first."""
        page = page_from(request.page, default=_PAGE_DEFAULT, largest=_PAGE_MAX)
        found = await self._runs.list_page(current_caller(), run_filter_from(request), page)
        return pb.ListRunsResponse(
            runs=[run_from(run) for run in found.entries],
            page=PageInfo(has_more=found.has_more),
        )

    async def ListSamples(
        self, request: pb.ListSamplesRequest, _context: object
    ) -> pb.ListSamplesResponse:
        """List a run's samples by task order, model order, then index."""
        page = page_from(request.page, default=_SAMPLES_DEFAULT, largest=_SAMPLES_MAX)
        wanted = sample_filter_from(request)
        found = await self._runs.list_samples(current_caller(), request.run_id, wanted, page)
        return pb.ListSamplesResponse(
            samples=[sample_from(sample) for sample in found.entries],
            page=PageInfo(has_more=found.has_more),
        )

    async def GetArtifacts(
        self, request: pb.GetArtifactsRequest, _context: object
    ) -> pb.GetArtifactsResponse:
        """Get the files of a finished run."""
        run = await self._runs.get(current_caller(), request.run_id)
        return pb.GetArtifactsResponse(
            result_file_id=run.result_file_id, samples_file_id=run.samples_file_id
        )

    async def CancelRun(
        self, request: pb.CancelRunRequest, _context: object
    ) -> pb.CancelRunResponse:
        """Stop a run."""
        run = await self._stop_runs.cancel(current_caller(), request.run_id)
        return pb.CancelRunResponse(run=run_from(run))

    async def RerunFailedSamples(
        self, request: pb.RerunFailedSamplesRequest, _context: object
    ) -> pb.RerunFailedSamplesResponse:
        """Put the failed samples of a completed run back to work."""
        caller, token = current_caller(), request.run_token
        run = await self._changes.rerun_failed(caller, request.run_id, token=token)
        return pb.RerunFailedSamplesResponse(run=run_from(run))

    async def RetryRun(self, request: pb.RetryRunRequest, _context: object) -> pb.RetryRunResponse:
        """Resume a failed or cancelled run."""
        caller, token = current_caller(), request.run_token
        run = await self._changes.retry(caller, request.run_id, token=token)
        return pb.RetryRunResponse(run=run_from(run))

    async def DeleteRun(
        self, request: pb.DeleteRunRequest, _context: object
    ) -> pb.DeleteRunResponse:
        """Hide a run and discard its artifacts."""
        await self._stop_runs.delete(current_caller(), request.run_id)
        return pb.DeleteRunResponse()
