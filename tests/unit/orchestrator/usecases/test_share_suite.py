from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orchestrator.domain.suite import SuiteNotFound
from orchestrator.domain.suite_share import (
    OrgAdminRequired,
    OrgIdInvalid,
    SharedWithOwner,
    ShareNotFound,
    SharesDelegated,
    SuiteShare,
)
from orchestrator.usecases.share_suite import ShareSuite
from servicekit.caller import Caller

ADMIN = Caller(org_id="org", team_id="team", key_id="key", is_org_admin=True)
MEMBER = replace(ADMIN, is_org_admin=False)
DELEGATED = replace(ADMIN, on_behalf_of="user")
STRANGER = Caller(org_id="else", team_id="team")
SUITE = "eval_suite_1"


class Shares:
    """Shares of one suite of ADMIN's team, in memory."""

    def __init__(self) -> None:
        self.made: dict[str, SuiteShare] = {}

    async def require_own(self, caller: Caller, suite_id: str) -> None:
        if (caller.org_id, caller.team_id, suite_id) != (ADMIN.org_id, ADMIN.team_id, SUITE):
            raise SuiteNotFound(suite_id)

    async def list_all(self, caller: Caller, suite_id: str) -> Sequence[SuiteShare]:
        await self.require_own(caller, suite_id)
        return list(self.made.values())

    async def add(self, caller: Caller, suite_id: str, org_id: str) -> SuiteShare:
        share = SuiteShare(
            id=f"share_{org_id}",
            suite_id=suite_id,
            org_id=org_id,
            granted_by=caller.key_id,
            created_at=datetime(2026, 11, 22, tzinfo=UTC),
        )
        return self.made.setdefault(org_id, share)

    async def remove(self, caller: Caller, suite_id: str, org_id: str) -> SuiteShare:
        if org_id not in self.made:
            raise ShareNotFound(suite_id, org_id)
        return self.made.pop(org_id)


async def test_an_admin_shares_and_ends_and_a_member_looks() -> None:
    shares = ShareSuite(Shares())

    made = await shares.share(ADMIN, SUITE, "partners")

    assert await shares.list_all(MEMBER, SUITE) == [made]
    assert await shares.end(ADMIN, SUITE, "partners") == made
    assert await shares.list_all(ADMIN, SUITE) == []


async def test_a_member_neither_shares_nor_ends() -> None:
    store = Shares()
    shares = ShareSuite(store)
    await shares.share(ADMIN, SUITE, "partners")

    with pytest.raises(OrgAdminRequired):
        await shares.share(MEMBER, SUITE, "others")
    with pytest.raises(OrgAdminRequired):
        await shares.end(MEMBER, SUITE, "partners")
    assert list(store.made) == ["partners"]


async def test_nobody_has_to_do_with_shares_for_an_end_user_not_even_of_others_suites() -> None:
    shares = ShareSuite(Shares())

    for suite_id in (SUITE, "eval_suite_of_others"):
        with pytest.raises(SharesDelegated):
            await shares.list_all(DELEGATED, suite_id)
        with pytest.raises(SharesDelegated):
            await shares.share(DELEGATED, suite_id, "partners")
        with pytest.raises(SharesDelegated):
            await shares.end(DELEGATED, suite_id, "partners")


@pytest.mark.parametrize("caller", [STRANGER, replace(STRANGER, is_org_admin=True)])
async def test_a_suite_of_others_is_not_there_whatever_else_is_wrong(caller: Caller) -> None:
    shares = ShareSuite(Shares())

    for org_id in ("partners", "else", "no id"):
        with pytest.raises(SuiteNotFound):
            await shares.share(caller, SUITE, org_id)
        with pytest.raises(SuiteNotFound):
            await shares.end(caller, SUITE, org_id)


async def test_recipients_that_cannot_be_are_refused() -> None:
    shares = ShareSuite(Shares())

    with pytest.raises(OrgIdInvalid):
        await shares.share(ADMIN, SUITE, "no id")
    with pytest.raises(SharedWithOwner):
        await shares.share(ADMIN, SUITE, "org")
    with pytest.raises(ShareNotFound):
        await shares.end(ADMIN, SUITE, "no id")
