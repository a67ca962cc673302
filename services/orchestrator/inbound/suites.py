"""SuiteService over gRPC."""

from orchestrator.inbound.suite_wire import suite_from, version_from
from orchestrator.inbound.wire import page_from
from orchestrator.ports.stores import Suites
from orchestrator.usecases.create_suite import CreateSuite, CreateSuiteVersion, SuiteDraft
from orchestrator.usecases.stop_runs import StopRuns
from proctor.common.v1.page_pb2 import PageInfo
from proctor.suites.v1 import suite_service_pb2 as pb
from proctor.suites.v1.suite_service_pb2_grpc import SuiteServiceServicer
from servicekit.caller import current_caller

_PAGE_DEFAULT = 20
_PAGE_MAX = 100


class SuitesRpc(SuiteServiceServicer):
    """Suites and their versions."""

    def __init__(
        self,
        suites: Suites,
        *,
        create_suite: CreateSuite,
        create_version: CreateSuiteVersion,
        stop_runs: StopRuns,
    ) -> None:
        self._suites = suites
        self._create_suite = create_suite
        self._create_version = create_version
        self._stop_runs = stop_runs

    async def CreateSuite(
        self, request: pb.CreateSuiteRequest, _context: object
    ) -> pb.CreateSuiteResponse:
        """Validate a manifest and create a suite with it as version 1."""
        draft = SuiteDraft(
            name=request.name,
            description=request.description if request.HasField("description") else None,
            manifest_json=request.manifest_json,
            metadata=dict(request.metadata),
        )
        caller = current_caller()
        suite = await self._create_suite(caller, draft)
        return pb.CreateSuiteResponse(suite=suite_from(suite, caller))

    async def GetSuite(self, request: pb.GetSuiteRequest, _context: object) -> pb.GetSuiteResponse:
        """Get one suite."""
        caller = current_caller()
        suite = await self._suites.get(caller, request.suite_id)
        return pb.GetSuiteResponse(suite=suite_from(suite, caller))

    async def ListSuites(
        self, request: pb.ListSuitesRequest, _context: object
    ) -> pb.ListSuitesResponse:
        """List the suites that the caller sees, newest first."""
        caller = current_caller()
        page = page_from(request.page, default=_PAGE_DEFAULT, largest=_PAGE_MAX)
        found = await self._suites.list_page(caller, page, owned_only=request.owned_only)
        return pb.ListSuitesResponse(
            suites=[suite_from(suite, caller) for suite in found.entries],
            page=PageInfo(has_more=found.has_more),
        )

    async def CreateSuiteVersion(
        self, request: pb.CreateSuiteVersionRequest, _context: object
    ) -> pb.CreateSuiteVersionResponse:
        """Validate a manifest and add it as the suite's next version."""
        version = await self._create_version(
            current_caller(),
            request.suite_id,
            manifest_json=request.manifest_json,
            metadata=dict(request.metadata),
            activate=not request.stage_only,
        )
        return pb.CreateSuiteVersionResponse(version=version_from(version))

    async def GetSuiteVersion(
        self, request: pb.GetSuiteVersionRequest, _context: object
    ) -> pb.GetSuiteVersionResponse:
        """Get one version by its ordinal."""
        caller = current_caller()
        version = await self._suites.get_version(caller, request.suite_id, request.version)
        return pb.GetSuiteVersionResponse(version=version_from(version))

    async def ListSuiteVersions(
        self, request: pb.ListSuiteVersionsRequest, _context: object
    ) -> pb.ListSuiteVersionsResponse:
        """List a suite's versions, highest first."""
        page = page_from(request.page, default=_PAGE_DEFAULT, largest=_PAGE_MAX)
        found = await self._suites.list_versions(current_caller(), request.suite_id, page)
        return pb.ListSuiteVersionsResponse(
            versions=[version_from(version) for version in found.entries],
            page=PageInfo(has_more=found.has_more),
        )

    async def DeleteSuite(
        self, request: pb.DeleteSuiteRequest, _context: object
    ) -> pb.DeleteSuiteResponse:
        """Hide a suite with its versions and all its runs."""
        deleted_runs = await self._stop_runs.delete_suite(current_caller(), request.suite_id)
        return pb.DeleteSuiteResponse(deleted_runs=deleted_runs)
