"""A suite service that keeps everything in memory; manifests are checked by the real rules."""

import asyncio
from collections.abc import Callable
from typing import Any

from manifest.parsing import parse_manifest
from manifest.schema import normalised_json
from proctor.common.v1.page_pb2 import PageInfo
from proctor.suites.v1 import suite_pb2
from proctor.suites.v1 import suite_service_pb2 as pb
from proctor.suites.v1.suite_service_pb2_grpc import SuiteServiceServicer
from servicekit.caller import Caller, current_caller
from servicekit.errors import Kind, ServiceError
from servicekit.ids import new_id
from unit.gateway.backend.paging import page_of


class SuiteNotFound(ServiceError):
    kind = Kind.NOT_FOUND
    reason = "SUITE_NOT_FOUND"


class SuiteVersionNotFound(ServiceError):
    kind = Kind.NOT_FOUND
    reason = "SUITE_VERSION_NOT_FOUND"


class FakeSuites(SuiteServiceServicer):
    def __init__(self) -> None:
        self.callers: list[Caller] = []
        self.trouble: Exception | None = None
        self.hold: asyncio.Event | None = None
        self.held = asyncio.Event()
        self.let_go = asyncio.Event()
        self.suites: dict[str, suite_pb2.Suite] = {}
        self.versions: dict[str, list[suite_pb2.SuiteVersion]] = {}
        self.delete_runs_of: Callable[[str], int] = lambda _: 0

    async def CreateSuite(
        self, request: pb.CreateSuiteRequest, context: Any
    ) -> pb.CreateSuiteResponse:
        await self._begin()
        caller = current_caller()
        suite = suite_pb2.Suite(
            suite_id=new_id("eval_suite"),
            name=request.name,
            org_id=caller.org_id,
            team_id=caller.team_id,
            metadata=dict(request.metadata),
        )
        if request.HasField("description"):
            suite.description = request.description
        suite.create_time.FromSeconds(1_790_000_000 + len(self.suites))
        manifest = normalised_json(parse_manifest(request.manifest_json))
        self.suites[suite.suite_id] = suite
        self.versions[suite.suite_id] = []
        self._add(suite, manifest, dict(request.metadata), active=True)
        return pb.CreateSuiteResponse(suite=suite)

    async def GetSuite(self, request: pb.GetSuiteRequest, context: Any) -> pb.GetSuiteResponse:
        await self._begin()
        return pb.GetSuiteResponse(suite=self.find(request.suite_id))

    async def ListSuites(
        self, request: pb.ListSuitesRequest, context: Any
    ) -> pb.ListSuitesResponse:
        await self._begin()
        team = current_caller().team_id
        mine = [suite for suite in self.suites.values() if suite.team_id == team]
        mine.reverse()
        page, has_more = page_of(mine, request.page, lambda suite: suite.suite_id)
        return pb.ListSuitesResponse(suites=page, page=PageInfo(has_more=has_more))

    async def CreateSuiteVersion(
        self, request: pb.CreateSuiteVersionRequest, context: Any
    ) -> pb.CreateSuiteVersionResponse:
        await self._begin()
        suite = self.find(request.suite_id)
        manifest = normalised_json(parse_manifest(request.manifest_json))
        metadata = dict(request.metadata)
        version = self._add(suite, manifest, metadata, active=not request.stage_only)
        return pb.CreateSuiteVersionResponse(version=version)

    async def GetSuiteVersion(
        self, request: pb.GetSuiteVersionRequest, context: Any
    ) -> pb.GetSuiteVersionResponse:
        await self._begin()
        versions = self.versions[self.find(request.suite_id).suite_id]
        if request.version > len(versions):
            raise SuiteVersionNotFound(f"there is no version {request.version}")
        return pb.GetSuiteVersionResponse(version=versions[request.version - 1])

    async def ListSuiteVersions(
        self, request: pb.ListSuiteVersionsRequest, context: Any
    ) -> pb.ListSuiteVersionsResponse:
        await self._begin()
        newest_first = self.versions[self.find(request.suite_id).suite_id][::-1]
        page, has_more = page_of(newest_first, request.page, lambda entry: entry.suite_version_id)
        return pb.ListSuiteVersionsResponse(versions=page, page=PageInfo(has_more=has_more))

    async def DeleteSuite(
        self, request: pb.DeleteSuiteRequest, context: Any
    ) -> pb.DeleteSuiteResponse:
        await self._begin()
        suite = self.suites.pop(self.find(request.suite_id).suite_id)
        return pb.DeleteSuiteResponse(deleted_runs=self.delete_runs_of(suite.suite_id))

    def find(self, suite_id: str) -> suite_pb2.Suite:
        suite = self.suites.get(suite_id)
        if suite is None or suite.team_id != current_caller().team_id:
            raise SuiteNotFound(f"there is no suite {suite_id}", param="suite_id")
        return suite

    async def _begin(self) -> None:
        self.callers.append(current_caller())
        if self.hold:
            self.held.set()
            try:
                await self.hold.wait()
            except asyncio.CancelledError:
                self.let_go.set()
                raise
        if self.trouble:
            raise self.trouble

    def _add(
        self, suite: suite_pb2.Suite, manifest: bytes, metadata: dict[str, str], *, active: bool
    ) -> suite_pb2.SuiteVersion:
        versions = self.versions[suite.suite_id]
        version = suite_pb2.SuiteVersion(
            suite_version_id=new_id("eval_sver"),
            suite_id=suite.suite_id,
            version=len(versions) + 1,
            manifest_json=manifest,
            metadata=metadata,
        )
        version.create_time.FromSeconds(1_790_000_000 + len(versions))
        versions.append(version)
        suite.latest_version = version.version
        suite.update_time.CopyFrom(version.create_time)
        if active:
            suite.active_version = version.version
        return version
