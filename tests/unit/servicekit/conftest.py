"""Tests of turns and rounds do not wait for time to pass."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from turned_clock import TurnedClockLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.stem in ("test_turns", "test_rounds"):
        return {"turned_clock": TurnedClockLoop}
    return {"real_clock": asyncio.new_event_loop}
