from collections.abc import AsyncIterator

import pytest

from integration.gateway.bridge.hostile_upstream import HostileUpstream, answers, serving


@pytest.fixture
async def upstream() -> AsyncIterator[HostileUpstream]:
    """A provider that answers well until a test tells it otherwise."""
    async with serving(HostileUpstream()) as upstream:
        upstream.will(answers("4"))
        yield upstream
