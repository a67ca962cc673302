"""SuiteShareService over gRPC."""

from orchestrator.domain.suite_share import SuiteShare
from orchestrator.inbound.wire import stamp_from
from orchestrator.usecases.share_suite import ShareSuite
from proctor.suites.v1 import share_service_pb2 as pb
from proctor.suites.v1.share_service_pb2_grpc import SuiteShareServiceServicer
from servicekit.caller import current_caller


class SuiteSharesRpc(SuiteShareServiceServicer):
    """With whom a suite is shared."""

    def __init__(self, share_suite: ShareSuite) -> None:
        self._share_suite = share_suite

    async def ListSuiteShares(
        self, request: pb.ListSuiteSharesRequest, _context: object
    ) -> pb.ListSuiteSharesResponse:
        """List a suite's shares, oldest first."""
        shares = await self._share_suite.list_all(current_caller(), request.suite_id)
        return pb.ListSuiteSharesResponse(shares=[_message(share) for share in shares])

    async def CreateSuiteShare(
        self, request: pb.CreateSuiteShareRequest, _context: object
    ) -> pb.CreateSuiteShareResponse:
        """Share a suite."""
        caller = current_caller()
        share = await self._share_suite.share(caller, request.suite_id, request.org_id)
        return pb.CreateSuiteShareResponse(share=_message(share))

    async def DeleteSuiteShare(
        self, request: pb.DeleteSuiteShareRequest, _context: object
    ) -> pb.DeleteSuiteShareResponse:
        """End a share."""
        caller = current_caller()
        share = await self._share_suite.end(caller, request.suite_id, request.org_id)
        return pb.DeleteSuiteShareResponse(share=_message(share))


def _message(share: SuiteShare) -> pb.SuiteShare:
    return pb.SuiteShare(
        share_id=share.id,
        suite_id=share.suite_id,
        org_id=share.org_id,
        granted_by=share.granted_by,
        create_time=stamp_from(share.created_at),
    )
