"""What the settings of a service show of what they hold."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from grader.settings import Settings as GraderSettings
from importer.settings import Settings as ImporterSettings
from orchestrator.settings import Settings as OrchestratorSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service's settings, the variables that are enough, and one that takes a number."""

    name: str
    settings: type[BaseSettings]
    good: Mapping[str, str]
    number: str

    def variable(self, name: str) -> str:
        return f"{self.name.upper()}_{name}"


ANY = {"RPC_ADDRESS": "127.0.0.1:0", "INTERNAL_SECRET": "tiger" * 8}
STORES = {"POSTGRES_DSN": "postgresql://u:tiger@h/d", "BLOB_URL": "s3://key:tiger@bucket"}
SERVICES = (
    Service(
        name="grader",
        settings=GraderSettings,
        good=ANY | {"BRIDGE_ADDRESS": "b:1"},
        number="CPU_SLOTS",
    ),
    Service(name="importer", settings=ImporterSettings, good=ANY | STORES, number="MAX_ROWS"),
    Service(
        name="orchestrator",
        settings=OrchestratorSettings,
        good=ANY
        | STORES
        | {
            "NATS_URL": "nats://u:tiger@h:4222",
            "GRADER_ADDRESS": "g:1",
            "IMPORTER_ADDRESS": "i:1",
            "BRIDGE_ADDRESS": "b:1",
        },
        number="SHARDS_AT_ONCE",
    ),
)


def given(environment: pytest.MonkeyPatch, service: Service) -> None:
    for name, value in service.good.items():
        environment.setenv(service.variable(name), value)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_no_password_is_in_the_settings_representation(
    monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    given(monkeypatch, service)

    settings = service.settings.model_validate({})

    assert "tiger" not in f"{settings!r} {settings}"
    assert "tiger" not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("service", "name"),
    [
        pytest.param(service, name, id=f"{service.name}-{name}")
        for service in SERVICES
        for name in service.good
    ],
)
def test_a_missing_variable_stops_the_start_and_no_password_is_shown(
    monkeypatch: pytest.MonkeyPatch, service: Service, name: str
) -> None:
    given(monkeypatch, service)
    monkeypatch.delenv(service.variable(name))
    monkeypatch.setenv(service.variable(service.number), "tiger")

    with pytest.raises(ValidationError) as refused:
        service.settings.model_validate({})

    assert name.lower() in str(refused.value)
    assert "tiger" not in f"{refused.value!r} {refused.value}"
