import pytest

from orchestrator.domain.suite_share import (
    OrgIdInvalid,
    SharedWithOwner,
    is_org_id,
    require_recipient,
)


@pytest.mark.parametrize("org_id", ["a", "A-1_b", "x" * 64])
def test_another_organisation_may_be_shared_with(org_id: str) -> None:
    require_recipient(org_id, owner_org_id="owner")

    assert is_org_id(org_id)


@pytest.mark.parametrize("org_id", ["", "x" * 65, "a b", "a.b", "a/b", "a\n", "a\x00", "ä"])
def test_what_is_no_id_of_an_organisation_is_refused(org_id: str) -> None:
    with pytest.raises(OrgIdInvalid) as refused:
        require_recipient(org_id, owner_org_id="owner")

    assert refused.value.metadata["param"] == "org_id"
    assert not is_org_id(org_id)


def test_the_owner_is_refused() -> None:
    with pytest.raises(SharedWithOwner) as refused:
        require_recipient("owner", owner_org_id="owner")

    assert refused.value.metadata["param"] == "org_id"
