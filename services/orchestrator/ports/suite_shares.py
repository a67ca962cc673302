"""What sharing needs of the orchestrator's own tables."""

from collections.abc import Sequence
from typing import Protocol

from orchestrator.domain.suite_share import SuiteShare
from servicekit.caller import Caller


class SuiteShares(Protocol):
    """Shares of the caller's team's suites. Each method is one transaction.

    All raise SuiteNotFound, also for a suite that somebody else shares with the caller.
    """

    async def require_own(self, caller: Caller, suite_id: str) -> None:
        """Refuse a suite that the caller's team does not own."""

    async def list_all(self, caller: Caller, suite_id: str) -> Sequence[SuiteShare]:
        """Return a suite's shares, oldest first."""
        ...

    async def add(self, caller: Caller, suite_id: str, org_id: str) -> SuiteShare:
        """Share with an organisation and return the share; one that there is already stays.

        Raises TooManyShares.
        """
        ...

    async def remove(self, caller: Caller, suite_id: str, org_id: str) -> SuiteShare:
        """End a share at once and return what it was, or raise ShareNotFound."""
        ...
