from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.bridge.models_file import ProviderTable
from gateway.bridge.provider_keys import SCRUBBED, KeyUnusable, Scrubber, read_key

KEY = "sk-canary-0123456789"


def table(**fields: str) -> ProviderTable:
    return ProviderTable(base_url="http://host/v1", **fields)  # type: ignore[arg-type]  # the key sources are strings


def test_a_key_comes_from_the_variable_named() -> None:
    key = read_key("p", table(api_key_env="KEY"), {"KEY": KEY})

    assert key is not None
    assert key.get_secret_value() == KEY


def test_a_key_comes_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n", encoding="utf-8")

    key = read_key("p", table(api_key_file=str(tmp_path / "key")), {})

    assert key is not None
    assert key.get_secret_value() == KEY


def test_a_provider_may_have_no_key() -> None:
    assert read_key("p", table(), {"KEY": KEY}) is None


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match=r"\[providers.p\] api_key_file: cannot be read"):
        read_key("p", table(api_key_file=str(tmp_path / "key")), {})


@pytest.mark.parametrize("odd", ["a b", "a\r\nX-Evil: 1", 'a"b', "a\\b", "schlüssel"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_and_not_shown(odd: str) -> None:
    with pytest.raises(KeyUnusable) as refusal:
        read_key("p", table(api_key_env="KEY"), {"KEY": odd})

    assert odd not in str(refusal.value)


def test_the_key_is_taken_out_of_text_and_json() -> None:
    scrubber = Scrubber(SecretStr(KEY))

    assert scrubber.text(f"got Bearer {KEY}!") == f"got Bearer {SCRUBBED}!"
    assert scrubber.json(b'{"a":"' + KEY.encode() + b'"}') == b'{"a":"[key removed]"}'
    assert scrubber.json(b"{}") == b"{}"


def test_a_part_of_the_key_at_a_cut_is_taken_out() -> None:
    scrubber = Scrubber(SecretStr(KEY))

    assert scrubber.cut_text("says " + KEY[:-1]) == "says "
    assert scrubber.cut_text("says sk-") == "says sk-"


def test_a_placeholder_key_leaves_honest_answers_alone() -> None:
    scrubber = Scrubber(SecretStr("local"))

    assert scrubber.text("a local answer") == "a local answer"


def test_without_a_key_nothing_changes() -> None:
    assert Scrubber(None).text("answer") == "answer"
    assert Scrubber(None).cut_text("answer") == "answer"
