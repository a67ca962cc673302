import pytest
from pydantic import ValidationError

from gateway.settings import KeySettings, Settings

GOOD = {
    "GATEWAY_HTTP_ADDRESS": "127.0.0.1:8080",
    "GATEWAY_RPC_ADDRESS": "127.0.0.1:7101",
    "GATEWAY_POSTGRES_DSN": "postgresql://u:tiger@h/d",
    "GATEWAY_KEY_PEPPER": "p" * 32,
    "GATEWAY_RUN_TOKEN_SECRET": "r" * 32,
    "GATEWAY_INTERNAL_SECRET": "i" * 32,
    "GATEWAY_MODELS_FILE": "models.toml",
    "GATEWAY_ORCHESTRATOR_ADDRESS": "127.0.0.1:7102",
    "GATEWAY_IMPORTER_ADDRESS": "127.0.0.1:7104",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_documented_variables_are_enough(environment: pytest.MonkeyPatch) -> None:
    settings = Settings.model_validate({})

    assert settings.max_upload_bytes == 512 * 1024 * 1024
    assert settings.grader_models == ("*",)
    assert settings.http_address == "127.0.0.1:8080"


@pytest.mark.parametrize(
    ("text", "models"), [("*", ("*",)), ("a, b,", ("a", "b")), ("", ()), ("a", ("a",))]
)
def test_grader_models_are_separated_by_commas(
    environment: pytest.MonkeyPatch, text: str, models: tuple[str, ...]
) -> None:
    environment.setenv("GATEWAY_GRADER_MODELS", text)

    assert Settings.model_validate({}).grader_models == models


def test_networks_besides_the_internet_are_named_by_the_operator(
    environment: pytest.MonkeyPatch,
) -> None:
    assert Settings.model_validate({}).reachable_networks == ()

    environment.setenv("GATEWAY_REACHABLE_NETWORKS", "10.1.0.0/16, fd00::/8")
    assert [str(network) for network in Settings.model_validate({}).reachable_networks] == [
        "10.1.0.0/16",
        "fd00::/8",
    ]

    environment.setenv("GATEWAY_REACHABLE_NETWORKS", "the intranet")
    with pytest.raises(ValidationError, match="reachable_networks"):
        Settings.model_validate({})


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_variable_stops_the_start_and_is_named(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.delenv(name)

    with pytest.raises(ValidationError, match=name.removeprefix("GATEWAY_").lower()):
        Settings.model_validate({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_KEY_PEPPER", "tiger"),
        ("GATEWAY_INTERNAL_SECRET", "tiger"),
        ("GATEWAY_RUN_TOKEN_SECRET", "tiger"),
        ("GATEWAY_MAX_UPLOAD_BYTES", "0"),
        ("GATEWAY_LOG_LEVEL", "loud"),
        ("GATEWAY_MAX_CALLS_PER_RUN", "0"),
    ],
)
def test_a_bad_value_stops_the_start_and_is_not_shown(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)

    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({})

    assert name.removeprefix("GATEWAY_").lower() in str(refused.value)
    assert "tiger" not in str(refused.value)


def test_the_keys_command_needs_the_database_and_the_pepper_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY_POSTGRES_DSN", "postgresql://u:p@h/d")
    monkeypatch.setenv("GATEWAY_KEY_PEPPER", "p" * 32)

    dsn = KeySettings.model_validate({}).postgres_dsn

    assert dsn.get_secret_value() == "postgresql://u:p@h/d"


def test_no_secret_is_in_the_settings_representation(environment: pytest.MonkeyPatch) -> None:
    settings = Settings.model_validate({})
    shown = f"{settings!r} {settings}"

    assert not any(secret * 32 in shown for secret in "pri")
    assert "tiger" not in shown
