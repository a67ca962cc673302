from datetime import UTC, datetime

import pytest

from orchestrator.domain.suite import Suite, SuiteNotFound, SuiteVersionNotFound

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("active", "sound"), [(0, False), (1, True), (2, True), (3, False)])
def test_the_active_version_is_one_of_the_suite(active: int, sound: bool) -> None:  # noqa: FBT001
    def make() -> Suite:
        return Suite(
            id="eval_suite_0",
            org_id="org",
            team_id="team",
            name="suite",
            description=None,
            active_version=active,
            latest_version=2,
            metadata={},
            created_at=NOW,
            updated_at=NOW,
        )

    if sound:
        assert make().active_version == active
    else:
        with pytest.raises(AssertionError):
            make()


def test_what_is_not_found_is_named() -> None:
    assert SuiteNotFound("s").metadata == {"suite_id": "s"}
    assert SuiteVersionNotFound("s", 3).metadata == {"suite_id": "s", "version": "3"}
