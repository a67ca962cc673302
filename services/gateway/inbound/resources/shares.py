"""Share objects."""

from typing import Literal

from pydantic import Field

from gateway.inbound.resources.resource import Identified, Resource, seconds
from proctor.suites.v1 import share_service_pb2 as pb

ORG_ID_CHARS_MAX = 64
ORG_ID_PATTERN = r"^[A-Za-z0-9_-]+$"


class SuiteShareObject(Identified):
    """A grant: all teams of an organisation may read a suite, its versions and all its runs."""

    object: Literal["eval.suite.share"] = "eval.suite.share"
    suite_id: str
    org_id: str = Field(description="Organisation that it is shared with.")
    granted_by: str = Field(description="Id of the API key that made the share.")
    created_at: int = Field(description="Unix seconds.")


class SuiteShareList(Resource):
    """All shares of a suite, oldest first; there are no pages."""

    object: Literal["list"] = "list"
    data: list[SuiteShareObject]


class SuiteShareDeleted(Identified):
    """A share that has ended."""

    object: Literal["eval.suite.share.deleted"] = "eval.suite.share.deleted"
    deleted: Literal[True] = True


def suite_share_object(share: pb.SuiteShare) -> SuiteShareObject:
    """The REST object of a share."""
    return SuiteShareObject(
        id=share.share_id,
        suite_id=share.suite_id,
        org_id=share.org_id,
        granted_by=share.granted_by,
        created_at=seconds(share.create_time),
    )
