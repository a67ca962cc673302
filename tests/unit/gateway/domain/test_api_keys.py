from datetime import UTC, datetime

import pytest

from gateway.domain.api_keys import (
    ApiKey,
    draw_key_text,
    is_owner_id,
    read_key_text,
    seal,
)
from gateway.domain.scopes import Scope

PEPPER = b"p" * 32
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def key_of(text: str, *, revoked_at: datetime | None = None) -> ApiKey:
    read = read_key_text(text)
    assert read
    return ApiKey(
        id=read.id,
        name="n",
        org_id="o",
        team_id="t",
        scopes=frozenset({Scope.READ_EVALS}),
        seal=seal(read, PEPPER),
        created_at=NOW,
        revoked_at=revoked_at,
    )


def test_a_drawn_key_has_the_form_of_a_key_and_can_be_read_again() -> None:
    drawn = draw_key_text()

    assert read_key_text(drawn.text) == drawn


def test_two_drawn_keys_differ_in_id_and_secret() -> None:
    one, other = draw_key_text(), draw_key_text()

    assert one.id != other.id
    assert one.text[-64:] != other.text[-64:]


def test_a_key_is_opened_by_its_own_text() -> None:
    drawn = draw_key_text()

    assert key_of(drawn.text).opened_by(drawn, PEPPER)


def test_a_key_is_not_opened_by_a_text_that_differs_in_one_digit() -> None:
    drawn = draw_key_text()
    wrong = read_key_text(drawn.text[:-1] + ("0" if drawn.text[-1] != "0" else "1"))
    assert wrong

    assert not key_of(drawn.text).opened_by(wrong, PEPPER)


def test_a_key_is_not_opened_with_another_pepper() -> None:
    drawn = draw_key_text()

    assert not key_of(drawn.text).opened_by(drawn, b"q" * 32)


def test_a_revoked_key_is_not_opened_by_its_text() -> None:
    drawn = draw_key_text()

    assert not key_of(drawn.text, revoked_at=NOW).opened_by(drawn, PEPPER)


def test_the_secret_is_in_no_representation() -> None:
    drawn = draw_key_text()

    assert drawn.text[-64:] not in repr(drawn) + repr(key_of(drawn.text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "prk_",
        "prk__",
        f"prk_{'a' * 16}_{'b' * 63}",
        f"prk_{'a' * 16}_{'b' * 65}",
        f"prk_{'a' * 15}_{'b' * 64}",
        f"prk_{'A' * 16}_{'b' * 64}",
        f"prk_{'a' * 16}_{'b' * 64}\n",
        f"sk_{'a' * 16}_{'b' * 64}",
        f"prk_{'a' * 16}_{'é' * 64}",
    ],
)
def test_what_has_not_the_form_of_a_key_is_none(text: str) -> None:
    assert read_key_text(text) is None


@pytest.mark.parametrize("text", ["a", "org_local", "A-1", "x" * 64])
def test_a_plain_word_names_an_owner(text: str) -> None:
    assert is_owner_id(text)


@pytest.mark.parametrize("text", ["", "x" * 65, "a.b", "a b", "*", ">", "ü", "a\n"])
def test_what_a_subject_cannot_hold_names_no_owner(text: str) -> None:
    assert not is_owner_id(text)
