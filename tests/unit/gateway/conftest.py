from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import settings

from unit.gateway.backend.house import House, open_house

# How long an example takes says nothing on a machine that others use, too.
settings.register_profile("shared_machine", deadline=None)
settings.load_profile("shared_machine")


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A gateway over fake services."""
    async with open_house() as house:
        yield house


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A client of team_a whose key has every scope."""
    async with house.client() as client:
        yield client
