import httpx
import pytest

from unit.gateway.backend.house import House


@pytest.fixture
def visitor(house: House) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url="http://t")


async def test_a_process_that_answers_is_alive(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_process_with_all_its_parts_is_ready(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"postgres": "ok", "orchestrator": "ok"},
    }


async def test_without_its_database_a_process_is_not_ready(
    house: House, visitor: httpx.AsyncClient
) -> None:
    house.checks["postgres"] = False

    answer = await visitor.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"]["postgres"] == "failed"


async def test_a_service_behind_that_is_away_is_told_but_does_not_matter(
    house: House, visitor: httpx.AsyncClient
) -> None:
    house.checks["orchestrator"] = False

    answer = await visitor.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["checks"]["orchestrator"] == "failed"


async def test_a_check_that_explodes_is_a_failed_check(
    house: House, visitor: httpx.AsyncClient
) -> None:
    del house.checks["postgres"]

    assert (await visitor.get("/readyz")).status_code == 503
