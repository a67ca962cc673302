"""Open a suite to other organisations, and close it again."""

from collections.abc import Sequence

from orchestrator.domain.suite_share import (
    OrgAdminRequired,
    ShareNotFound,
    SharesDelegated,
    SuiteShare,
    is_org_id,
    require_recipient,
)
from orchestrator.ports.suite_shares import SuiteShares
from servicekit import logs
from servicekit.caller import Caller

_log = logs.get_logger("orchestrator.share_suite")


class ShareSuite:
    """Lists, makes and ends shares. What is not the caller's to share is SuiteNotFound.

    All raise SharesDelegated when the caller acts for an end user.
    """

    def __init__(self, shares: SuiteShares) -> None:
        self._shares = shares

    async def list_all(self, caller: Caller, suite_id: str) -> Sequence[SuiteShare]:
        """Return a suite's shares, oldest first."""
        _require_no_end_user(caller)
        return await self._shares.list_all(caller, suite_id)

    async def share(self, caller: Caller, suite_id: str, org_id: str) -> SuiteShare:
        """Share a suite with an organisation; return the share, old or new.

        Raises:
            OrgAdminRequired: the caller's key is no org admin's.
            OrgIdInvalid: no organisation has such an id.
            SharedWithOwner: the organisation owns the suite.
            TooManyShares: there are as many as there may be.
        """
        await self._require_admin(caller, suite_id)
        require_recipient(org_id, owner_org_id=caller.org_id)
        share = await self._shares.add(caller, suite_id, org_id)
        _log.info("suite_shared", suite_id=suite_id, recipient=org_id, share_id=share.id)
        return share

    async def end(self, caller: Caller, suite_id: str, org_id: str) -> SuiteShare:
        """End a share at once; return what it was.

        Raises:
            OrgAdminRequired: the caller's key is no org admin's.
            ShareNotFound: there is no such share.
        """
        await self._require_admin(caller, suite_id)
        if not is_org_id(org_id):
            raise ShareNotFound(suite_id, org_id)
        share = await self._shares.remove(caller, suite_id, org_id)
        _log.info("suite_share_ended", suite_id=suite_id, recipient=org_id, share_id=share.id)
        return share

    async def _require_admin(self, caller: Caller, suite_id: str) -> None:
        _require_no_end_user(caller)
        # First, because a suite of others is not there, whoever asks.
        await self._shares.require_own(caller, suite_id)
        if not caller.is_org_admin:
            raise OrgAdminRequired("only keys of organisation admins may share suites")


def _require_no_end_user(caller: Caller) -> None:
    if caller.on_behalf_of:
        raise SharesDelegated("shares cannot be seen or changed on behalf of an end user")
