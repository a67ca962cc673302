from collections.abc import AsyncIterator

import httpx
import pytest

from unit.gateway.backend.house import House, open_house


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
