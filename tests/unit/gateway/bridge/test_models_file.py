from pathlib import Path

import pytest

from gateway.bridge.models_file import (
    MAX_IN_FLIGHT,
    ModelsFile,
    ModelsFileInvalid,
    read_models_file,
)

PROVIDER = """
[providers.local]
base_url = "http://127.0.0.1:8081/v1/"
"""


def read(tmp_path: Path, text: str) -> ModelsFile:
    path = tmp_path / "models.toml"
    path.write_text(text, encoding="utf-8")
    return read_models_file(path)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ModelsFileInvalid) as refusal:
        read(tmp_path, text)
    assert str(tmp_path / "models.toml") in str(refusal.value)
    return list(refusal.value.problems)


def test_a_provider_and_a_model_need_little(tmp_path: Path) -> None:
    file = read(tmp_path, PROVIDER + '[models."small"]\nprovider = "local"\n')

    assert file.providers["local"].base_url == "http://127.0.0.1:8081/v1"
    assert file.providers["local"].max_in_flight == MAX_IN_FLIGHT
    assert file.models["small"].api == "responses"


def test_every_documented_field_is_read(tmp_path: Path) -> None:
    file = read(
        tmp_path,
        """
        [providers.local]
        base_url = "https://models.example/v1"
        api_key_env = "LOCAL_API_KEY"
        max_in_flight = 64

        [models."small"]
        provider = "local"
        api = "chat_completions"
        upstream_model = "Small-1"
        forward = ["temperature", "top_k"]
        max_tokens_field = "max_completion_tokens"
        merge_extra_body = false
        input_cost_per_million = 0
        output_cost_per_million = 0.5
        [models."small".defaults]
        temperature = 0.0
        instructions = "Answer briefly."
        [models."small".extra_body]
        cache_prompt = true
        """,
    )

    small = file.models["small"]
    assert small.forward == ["temperature", "top_k"]
    assert small.defaults == {"temperature": 0.0, "instructions": "Answer briefly."}
    assert small.extra_body == {"cache_prompt": True}
    assert small.output_cost_per_million == 0.5


def test_an_unknown_field_is_named_with_its_table(tmp_path: Path) -> None:
    text = PROVIDER + 'max_in_flght = 3\n[models."a.b"]\nprovider = "local"\nfrobnicate = 1\n'

    assert problems(tmp_path, text) == [
        "[providers.local] max_in_flght: unknown field",
        '[models."a.b"] frobnicate: unknown field',
    ]


def test_an_unknown_table_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, PROVIDER + "[modles.x]\n") == ["modles: unknown field"]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = """
    [providers.local]
    base_url = "ftp://models"
    max_in_flight = 0
    [models.x]
    api = "telepathy"
    """

    found = problems(tmp_path, text)

    assert [problem.split(": ")[0] for problem in found] == [
        "[providers.local] base_url",
        "[providers.local] max_in_flight",
        '[models."x"] provider',
        '[models."x"] api',
    ]


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8081",
        "http://",
        "http://user:pass@host/v1",
        "http://host/v1?key=1",
        "http://host/v1#x",
        "file:///etc/passwd",
    ],
)
def test_a_base_url_is_plain_http(tmp_path: Path, url: str) -> None:
    found = problems(tmp_path, f'[providers.local]\nbase_url = "{url}"\n')

    assert len(found) == 1
    assert found[0].startswith("[providers.local] base_url: must")


def test_a_value_pasted_into_the_wrong_field_is_not_repeated(tmp_path: Path) -> None:
    text = PROVIDER + 'api_key = "sk-canary-123"\nmax_in_flight = "sk-canary-456"\n'

    with pytest.raises(ModelsFileInvalid) as refusal:
        read(tmp_path, text)

    assert "canary" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_key_has_one_source(tmp_path: Path) -> None:
    text = PROVIDER + 'api_key_env = "A"\napi_key_file = "b"\n'

    assert problems(tmp_path, text) == [
        "[providers.local]: api_key_env and api_key_file exclude each other"
    ]


def test_a_models_provider_must_exist(tmp_path: Path) -> None:
    found = problems(tmp_path, PROVIDER + '[models.x]\nprovider = "remote"\n')

    assert found == ['[models."x"] provider: there is no [providers.remote]']


@pytest.mark.parametrize("value", ["2020-01-01", "[1, nan]", "{ a = inf }"])
def test_what_json_cannot_say_is_refused(tmp_path: Path, value: str) -> None:
    text = PROVIDER + f'[models.x]\nprovider = "local"\ndefaults = {{ odd = {value} }}\n'

    assert problems(tmp_path, text) == [
        '[models."x"] defaults.odd: JSON has no such value (dates, inf and nan)'
    ]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelsFileInvalid, match="cannot be read: No such file"):
        read_models_file(tmp_path / "none.toml")


def test_broken_toml_is_told_with_its_line(tmp_path: Path) -> None:
    assert "line 2" in problems(tmp_path, "[providers.local]\nbase_url = \n")[0]


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(ModelsFileInvalid, match="is not UTF-8"):
        read_models_file(path)
