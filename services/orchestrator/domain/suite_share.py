"""Shares: a suite and its runs, opened to another organisation to read."""

import re
from dataclasses import dataclass
from datetime import datetime

from servicekit.errors import Kind, ServiceError

# Of one suite. A list of them is one answer, and each is looked at when the suite is read.
SHARES_MAX = 100

# As the gateway's keys name organisations.
_ORG_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SharedReadOnly(ServiceError):
    """The caller sees the object through a share, and a share lets nobody change anything."""

    kind = Kind.PERMISSION_DENIED
    reason = "SHARED_READ_ONLY"

    def __init__(self, object_id: str) -> None:
        message = f"{object_id} is another organisation's, which shares it with yours to read only"
        super().__init__(message, object=object_id)


class ShareNotFound(ServiceError):
    """The suite is not shared with this organisation."""

    kind = Kind.NOT_FOUND
    reason = "SHARE_NOT_FOUND"

    def __init__(self, suite_id: str, org_id: str) -> None:
        message = f"suite {suite_id} is not shared with {org_id}"
        super().__init__(message, suite_id=suite_id, org_id=org_id)


class ShareRefused(ServiceError):
    """Nothing can be shared with such an organisation; nothing was stored."""

    kind = Kind.INVALID_ARGUMENT


class OrgIdInvalid(ShareRefused):
    """No organisation has such an id."""

    reason = "INVALID_ORG_ID"


class SharedWithOwner(ShareRefused):
    """The organisation owns the suite."""

    reason = "SHARED_WITH_OWNER"


class TooManyShares(ServiceError):
    """The suite is shared with as many organisations as it may be."""

    kind = Kind.FAILED_PRECONDITION
    reason = "TOO_MANY_SHARES"


class SharesDelegated(ServiceError):
    """Shares are no business of end users."""

    kind = Kind.PERMISSION_DENIED
    reason = "DELEGATED_CONTEXT"


class OrgAdminRequired(ServiceError):
    """Only keys of organisation admins may share."""

    kind = Kind.PERMISSION_DENIED
    reason = "ORG_ADMIN_REQUIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteShare:
    """A grant: all teams of `org_id` may read the suite, its versions and all its runs.

    Attributes:
        granted_by: Id of the API key that made the grant.
    """

    id: str
    suite_id: str
    org_id: str
    granted_by: str
    created_at: datetime


def is_org_id(text: str) -> bool:
    """Tell whether an organisation can have this id: 1 to 64 letters, digits, `_` and `-`."""
    return _ORG_ID.fullmatch(text) is not None


def require_recipient(org_id: str, *, owner_org_id: str) -> None:
    """Refuse an organisation that nothing can be shared with.

    Raises:
        OrgIdInvalid: it is no organisation's id.
        SharedWithOwner: it owns the suite.
    """
    if not is_org_id(org_id):
        message = "org_id must be 1 to 64 letters, digits, '_' and '-'"
        raise OrgIdInvalid(message, param="org_id")
    if org_id == owner_org_id:
        message = "org_id must be another organisation than the suite's own"
        raise SharedWithOwner(message, param="org_id")
