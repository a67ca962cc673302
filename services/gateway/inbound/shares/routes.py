"""The collection /evals/suites/{suite_id}/shares."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from gateway.domain.scopes import Scope
from gateway.inbound.resources.shares import (
    ORG_ID_CHARS_MAX,
    ORG_ID_PATTERN,
    SuiteShareDeleted,
    SuiteShareList,
    SuiteShareObject,
    suite_share_object,
)
from gateway.inbound.rest.access import Access, CurrentCaller
from gateway.inbound.rest.asking import ask
from gateway.inbound.rest.bodies import described_body, json_body
from gateway.inbound.rest.operations import Operation, router_of
from manifest.section import Section
from proctor.suites.v1 import share_service_pb2 as pb

if TYPE_CHECKING:  # these classes are in the stubs only
    from proctor.suites.v1.share_service_pb2_grpc import SuiteShareServiceAsyncStub


class CreateSuiteShareBody(Section):
    """With whom a suite is to be shared."""

    org_id: str = Field(
        min_length=1,
        max_length=ORG_ID_CHARS_MAX,
        description="Id of an organisation: letters, digits, `_` and `-`.",
        json_schema_extra={"pattern": ORG_ID_PATTERN},
    )


_BODY = described_body(CreateSuiteShareBody, {"org_id": "partners"})


class ShareRoutes:
    """Operations on the shares of suites, answered by the share service.

    None may be asked for on behalf of an end user.
    """

    def __init__(self, shares: "SuiteShareServiceAsyncStub", access: Access) -> None:
        self._shares = shares
        self._access = access

    def router(self) -> APIRouter:
        """The routes with their documentation."""
        collection = "/evals/suites/{suite_id}/shares"
        operations = (
            Operation(
                id="listEvalSuiteShares",
                method="GET",
                path=collection,
                endpoint=self.list_shares,
                scope=Scope.READ_EVALS,
                answer=SuiteShareList,
                errors=(404,),
            ),
            Operation(
                id="createEvalSuiteShare",
                method="POST",
                path=collection,
                endpoint=self.create,
                scope=Scope.WRITE_EVALS,
                answer=SuiteShareObject,
                body=_BODY,
                errors=(404, 409),
            ),
            Operation(
                id="deleteEvalSuiteShare",
                method="DELETE",
                path=f"{collection}/{{org_id}}",
                endpoint=self.delete,
                scope=Scope.WRITE_EVALS,
                answer=SuiteShareDeleted,
                errors=(404,),
            ),
        )
        return router_of("suites", operations, self._access)

    async def list_shares(self, caller: CurrentCaller, suite_id: str) -> SuiteShareList:
        """List with whom a suite is shared, oldest first.

        Only for its own team; a suite that others share is answered with 404.
        """
        question = pb.ListSuiteSharesRequest(suite_id=suite_id)
        answer = await ask(caller, self._shares.ListSuiteShares, question)
        return SuiteShareList(data=[suite_share_object(share) for share in answer.shares])

    async def create(
        self,
        caller: CurrentCaller,
        suite_id: str,
        body: Annotated[CreateSuiteShareBody, Depends(json_body(CreateSuiteShareBody))],
    ) -> SuiteShareObject:
        """Share a suite with another organisation.

        All its teams may then read the suite, its versions and all its runs with their samples, but
        neither change nor run anything, nor download files. Needs a key of an organisation admin.
        Repeating it answers with the share that there is. At most 100 shares a suite.
        """
        question = pb.CreateSuiteShareRequest(suite_id=suite_id, org_id=body.org_id)
        answer = await ask(caller, self._shares.CreateSuiteShare, question)
        return suite_share_object(answer.share)

    async def delete(self, caller: CurrentCaller, suite_id: str, org_id: str) -> SuiteShareDeleted:
        """End a share.

        What it opened is closed at once. Needs a key of an organisation admin.
        """
        question = pb.DeleteSuiteShareRequest(suite_id=suite_id, org_id=org_id)
        answer = await ask(caller, self._shares.DeleteSuiteShare, question)
        return SuiteShareDeleted(id=answer.share.share_id)
