"""The collection /evals/suites: suites and their versions."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import orjson
from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field, JsonValue

from gateway.domain.scopes import Scope
from gateway.inbound.resources.suites import (
    SuiteDeleted,
    SuiteList,
    SuiteObject,
    SuiteVersionList,
    SuiteVersionObject,
    suite_object,
    suite_version_object,
)
from gateway.inbound.rest.access import Access, CurrentCaller
from gateway.inbound.rest.asking import WRITE_S, ask, ask_while_connected
from gateway.inbound.rest.bodies import MANIFEST_BODY_BYTES_MAX, described_body, json_body
from gateway.inbound.rest.labels import Labels, label_problems
from gateway.inbound.rest.operations import Operation, router_of
from gateway.inbound.rest.paging import LIMIT_DEFAULT, After, Limit, OwnedOnly, page_request
from manifest.problem import Problem
from manifest.section import RawObject, Section
from proctor.suites.v1 import suite_service_pb2 as pb

if TYPE_CHECKING:  # these classes are in the stubs only
    from proctor.suites.v1.suite_service_pb2_grpc import SuiteServiceAsyncStub

ORDINAL_MAX = 2**31 - 1

_MANIFEST_EXAMPLE = {
    "tasks": [
        {
            "id": "sums",
            "type": "numeric",
            "dataset": {"file_id": "file_0123456789abcdef0123456789abcdef", "format": "jsonl"},
            "prompt_template": "Compute: {{question}}",
            "target_template": "{{answer}}",
            "output_extraction": {"type": "number"},
            "metrics": [{"id": "score"}],
            "grader": {
                "type": "python",
                "source": "def grade(sample, item):\n"
                "    return float(sample['extracted_output'] == item['target'])\n",
            },
        }
    ]
}


class CreateSuiteBody(Section):
    """A suite to create; its manifest becomes version 1."""

    name: str = Field(min_length=1, max_length=255)
    manifest: dict[str, JsonValue]
    description: str | None = Field(default=None, max_length=10_000)
    metadata: Labels = Field(default_factory=dict)

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterable[Problem]:
        """Limits of the labels."""
        return label_problems(raw)


class CreateSuiteVersionBody(Section):
    """A version to add."""

    manifest: dict[str, JsonValue]
    metadata: Labels = Field(default_factory=dict)
    make_active: bool = Field(
        default=True, description="False: new runs keep using the version that is active now."
    )

    @classmethod
    def broken_rules(cls, raw: RawObject) -> Iterable[Problem]:
        """Limits of the labels."""
        return label_problems(raw)


_suite_body = json_body(CreateSuiteBody, bytes_max=MANIFEST_BODY_BYTES_MAX)
_version_body = json_body(CreateSuiteVersionBody, bytes_max=MANIFEST_BODY_BYTES_MAX)
_SUITE_BODY = described_body(CreateSuiteBody, {"name": "Arithmetic", "manifest": _MANIFEST_EXAMPLE})
_VERSION_BODY = described_body(
    CreateSuiteVersionBody, {"manifest": _MANIFEST_EXAMPLE, "make_active": False}
)


class SuiteRoutes:
    """Operations on suites, answered by the suite service."""

    def __init__(self, suites: "SuiteServiceAsyncStub", access: Access) -> None:
        self._suites = suites
        self._access = access

    def router(self) -> APIRouter:
        """The routes with their documentation."""
        collection, one = "/evals/suites", "/evals/suites/{suite_id}"
        operations = (
            Operation(
                id="createEvalSuite",
                method="POST",
                path=collection,
                endpoint=self.create,
                scope=Scope.WRITE_EVALS,
                answer=SuiteObject,
                body=_SUITE_BODY,
            ),
            Operation(
                id="listEvalSuites",
                method="GET",
                path=collection,
                endpoint=self.list_suites,
                scope=Scope.READ_EVALS,
                answer=SuiteList,
            ),
            Operation(
                id="getEvalSuite",
                method="GET",
                path=one,
                endpoint=self.get,
                scope=Scope.READ_EVALS,
                answer=SuiteObject,
                errors=(404,),
            ),
            Operation(
                id="deleteEvalSuite",
                method="DELETE",
                path=one,
                endpoint=self.delete,
                scope=Scope.WRITE_EVALS,
                answer=SuiteDeleted,
                errors=(404,),
            ),
            Operation(
                id="createEvalSuiteVersion",
                method="POST",
                path=f"{one}/versions",
                endpoint=self.create_version,
                scope=Scope.WRITE_EVALS,
                answer=SuiteVersionObject,
                body=_VERSION_BODY,
                errors=(404,),
            ),
            Operation(
                id="listEvalSuiteVersions",
                method="GET",
                path=f"{one}/versions",
                endpoint=self.list_versions,
                scope=Scope.READ_EVALS,
                answer=SuiteVersionList,
                errors=(404,),
            ),
            Operation(
                id="getEvalSuiteVersion",
                method="GET",
                path=f"{one}/versions/{{version}}",
                endpoint=self.get_version,
                scope=Scope.READ_EVALS,
                answer=SuiteVersionObject,
                errors=(404,),
            ),
        )
        return router_of("suites", operations, self._access)

    async def create(
        self,
        request: Request,
        caller: CurrentCaller,
        body: Annotated[CreateSuiteBody, Depends(_suite_body)],
    ) -> SuiteObject:
        """Create a suite.

        Its manifest becomes version 1. Dataset and grader files must have been uploaded before. A
        manifest with problems is refused with all of them.
        """
        question = pb.CreateSuiteRequest(
            name=body.name,
            description=body.description,
            manifest_json=orjson.dumps(body.manifest),
            metadata=body.metadata,
        )
        answer = await ask_while_connected(request, caller, self._suites.CreateSuite, question)
        return suite_object(answer.suite)

    async def list_suites(
        self,
        caller: CurrentCaller,
        after: After = None,
        limit: Limit = LIMIT_DEFAULT,
        owned_only: OwnedOnly = False,  # noqa: FBT002 -- a query parameter
    ) -> SuiteList:
        """List the suites that the team sees, newest first.

        Its own, and those that other organisations share with its organisation.
        """
        question = pb.ListSuitesRequest(page=page_request(after, limit), owned_only=owned_only)
        answer = await ask(caller, self._suites.ListSuites, question)
        suites = [suite_object(suite) for suite in answer.suites]
        return SuiteList.of(suites, has_more=answer.page.has_more)

    async def get(self, caller: CurrentCaller, suite_id: str) -> SuiteObject:
        """Get a suite."""
        answer = await ask(caller, self._suites.GetSuite, pb.GetSuiteRequest(suite_id=suite_id))
        return suite_object(answer.suite)

    async def delete(self, caller: CurrentCaller, suite_id: str) -> SuiteDeleted:
        """Delete a suite with its versions and all its runs.

        Unfinished runs are cancelled first, and its schedules disabled. Files that its manifests
        name stay.
        """
        question = pb.DeleteSuiteRequest(suite_id=suite_id)
        answer = await ask(caller, self._suites.DeleteSuite, question, timeout_s=WRITE_S)
        return SuiteDeleted(id=suite_id, deleted_runs=answer.deleted_runs)

    async def create_version(
        self,
        request: Request,
        caller: CurrentCaller,
        suite_id: str,
        body: Annotated[CreateSuiteVersionBody, Depends(_version_body)],
    ) -> SuiteVersionObject:
        """Add a version to a suite.

        Versions never change; this is how a suite is edited.
        """
        question = pb.CreateSuiteVersionRequest(
            suite_id=suite_id,
            manifest_json=orjson.dumps(body.manifest),
            metadata=body.metadata,
            stage_only=not body.make_active,
        )
        answer = await ask_while_connected(
            request, caller, self._suites.CreateSuiteVersion, question
        )
        return suite_version_object(answer.version)

    async def list_versions(
        self,
        caller: CurrentCaller,
        suite_id: str,
        after: After = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> SuiteVersionList:
        """List a suite's versions, highest first, each with its manifest."""
        question = pb.ListSuiteVersionsRequest(suite_id=suite_id, page=page_request(after, limit))
        answer = await ask(caller, self._suites.ListSuiteVersions, question)
        versions = [suite_version_object(version) for version in answer.versions]
        return SuiteVersionList.of(versions, has_more=answer.page.has_more)

    async def get_version(
        self,
        caller: CurrentCaller,
        suite_id: str,
        version: Annotated[int, Path(ge=1, le=ORDINAL_MAX, description="1-based ordinal.")],
    ) -> SuiteVersionObject:
        """Get one version of a suite by its ordinal."""
        question = pb.GetSuiteVersionRequest(suite_id=suite_id, version=version)
        answer = await ask(caller, self._suites.GetSuiteVersion, question)
        return suite_version_object(answer.version)
