"""A world for each test."""

import pytest

from integration.orchestrator.world import World


@pytest.fixture
def world(postgres_dsn: str, nats_url: str, blob_url: str) -> World:
    return World(postgres_dsn=postgres_dsn, nats_url=nats_url, blob_url=blob_url)
