"""No test of a handler waits for time to pass."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from turned_clock import TurnedClockLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"turned_clock": TurnedClockLoop}
