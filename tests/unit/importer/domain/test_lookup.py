import pytest

from importer.domain.lookup import InvalidPage, check_batch, page_limit


def test_a_page_without_a_size_gets_the_default() -> None:
    assert page_limit(0) == 10_000


def test_a_page_that_is_too_large_is_cut() -> None:
    assert page_limit(10_001) == 10_000
    assert page_limit(3) == 3


def test_a_negative_page_is_refused() -> None:
    with pytest.raises(InvalidPage):
        page_limit(-1)


def test_a_batch_holds_a_thousand_ids() -> None:
    check_batch(1_000)

    with pytest.raises(InvalidPage):
        check_batch(1_001)
