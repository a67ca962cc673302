import httpx
import pytest

from unit.gateway.backend.house import House


@pytest.mark.parametrize("path", ["/files", "/nope", "/files/x", "/files?limit=0"])
async def test_every_answer_carries_a_request_id(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.headers["x-request-id"].startswith("req_")


async def test_the_clients_own_request_id_is_taken_over(
    house: House, client: httpx.AsyncClient
) -> None:
    answer = await client.get("/files", headers={"x-request-id": "abc.1-2_3"})

    assert answer.headers["x-request-id"] == "abc.1-2_3"
    assert house.files.callers[-1].request_id == "abc.1-2_3"


@pytest.mark.parametrize("sent", ["a b", "x" * 129, "a;b", ""])
async def test_a_strange_request_id_is_replaced(client: httpx.AsyncClient, sent: str) -> None:
    answer = await client.get("/files", headers={"x-request-id": sent})

    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("path", ["/files/a%00b", "/files?after=%00", "/evals/suites/%00"])
async def test_a_nul_character_is_refused_before_any_service_sees_it(
    house: House, client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)

    assert answer.status_code == 400
    assert house.files.callers == []
    assert house.suites.callers == []


async def test_bytes_that_are_no_utf_8_in_a_path_do_no_harm(client: httpx.AsyncClient) -> None:
    answer = await client.get("/files/%ff%fe")

    assert answer.status_code == 404
