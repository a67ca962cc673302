"""What settings show of what they hold."""

import pytest
from pydantic import ValidationError

from grader.settings import Settings

GOOD = {
    "RPC_ADDRESS": "127.0.0.1:0",
    "INTERNAL_SECRET": "tiger" * 8,
    "BRIDGE_ADDRESS": "b:1",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in GOOD.items():
        monkeypatch.setenv(f"GRADER_{name}", value)
    return monkeypatch


def test_no_password_is_in_the_settings_representation(environment: pytest.MonkeyPatch) -> None:
    settings = Settings.model_validate({})

    assert "tiger" not in f"{settings!r} {settings}"
    assert "tiger" not in settings.model_dump_json()


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_variable_stops_the_start_and_no_password_is_shown(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.delenv(f"GRADER_{name}")
    environment.setenv("GRADER_CPU_SLOTS", "tiger")

    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({})

    assert name.lower() in str(refused.value)
    assert "tiger" not in f"{refused.value!r} {refused.value}"
