"""Tests of turns do not wait for time to pass."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from turned_clock import TurnedClockLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.stem == "test_turns":
        return {"turned_clock": TurnedClockLoop}
    return {"real_clock": asyncio.new_event_loop}
