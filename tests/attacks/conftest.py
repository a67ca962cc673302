"""One room for all attacks: what an attack breaks, the next ones see."""

from collections.abc import AsyncIterator

import pytest_asyncio

from attacks.room import Room, open_room


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def room() -> AsyncIterator[Room]:
    async with open_room() as room:
        yield room
