import pytest

from orchestrator.domain.listing import (
    InvalidCursor,
    InvalidPageSize,
    Page,
    RunFilter,
    SuiteVersionWithoutSuite,
    page,
)


@pytest.mark.parametrize(("asked", "size"), [(0, 20), (1, 1), (100, 100), (101, 100)])
def test_a_page_has_a_default_and_a_largest_size(asked: int, size: int) -> None:
    assert page(size=asked, after="x", default=20, largest=100) == Page(size=size, after="x")


def test_a_page_cannot_be_negative() -> None:
    with pytest.raises(InvalidPageSize) as refused:
        page(size=-1, after="", default=20, largest=100)

    assert refused.value.metadata["param"] == "limit"


def test_a_version_means_nothing_without_its_suite() -> None:
    assert RunFilter(suite_id="s", suite_version=1).suite_version == 1
    with pytest.raises(SuiteVersionWithoutSuite):
        RunFilter(suite_version=1)


def test_an_unknown_cursor_is_the_fault_of_after() -> None:
    assert InvalidCursor("x").metadata == {"param": "after", "after": "x"}
