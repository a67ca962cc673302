"""The importer of these tests asks the hub stand-in."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from hub.stand_in import StandInHub, running_hub
from importer.settings import Settings

SERVER_TOKEN = "hf_server_canary_91c4"  # noqa: S105 - of the stand-in


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with running_hub() as hub:
        hub.tokens[SERVER_TOKEN] = {"team/secret"}
        yield hub


@pytest.fixture
def settings(settings: Settings, hub: StandInHub) -> Settings:
    changes = {
        "hub_url": hub.url,
        "hub_token": SecretStr(SERVER_TOKEN),
        "hub_attempts": 3,
        "max_hub_bytes": 40_000_000,
    }
    return settings.model_copy(update=changes)
