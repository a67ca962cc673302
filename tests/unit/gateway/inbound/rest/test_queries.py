import httpx
import pytest

from unit.gateway.backend.house import BASE, House


@pytest.mark.parametrize(
    ("path", "param", "message"),
    [
        ("/evals/runs?limt=5", "limt", "limt is not a query parameter (did you mean `limit`?)"),
        ("/evals/runs?state=failed", "state", "did you mean `status`?"),
        (
            "/evals/suites?frobnicate=1",
            "frobnicate",
            "this operation takes `after`, `limit`, `owned_only`",
        ),
        ("/evals/runs/r?expand=1", "expand", "this operation takes none"),
        ("/evals/runs/r/samples?models=a", "models", "did you mean `model`?"),
        ("/files?a%20b=1", '["a b"]', '["a b"] is not a query parameter'),
    ],
)
async def test_a_query_parameter_that_is_not_known_is_400_and_named(
    client: httpx.AsyncClient, path: str, param: str, message: str
) -> None:
    answer = await client.get(path)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["reason"], error["param"]) == ("unknown_parameter", param)
    assert message in error["message"]


async def test_every_unknown_parameter_is_a_detail(client: httpx.AsyncClient) -> None:
    answer = await client.get("/evals/runs", params={"limit": 1, "a": 1, "b": 2})

    assert [detail["path"] for detail in answer.json()["error"]["details"]] == ["a", "b"]


async def test_only_a_caller_with_a_key_learns_the_parameters(house: House) -> None:
    transport = httpx.ASGITransport(house.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        answer = await client.get(f"{BASE}/evals/runs?limt=5")

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/evals/runs?limit=x", "limit must be a whole number"),
        ("/evals/runs?limit=101", "limit must be at most 100"),
        ("/evals/suites?owned_only=maybe", "owned_only must be true or false"),
        ("/evals/runs/r/samples?score_min=nan", "score_min must be a finite number"),
        ("/files?order=up", "order must be one of 'asc' or 'desc'"),
    ],
)
async def test_bad_values_are_described_in_the_words_of_bodies(
    client: httpx.AsyncClient, path: str, message: str
) -> None:
    answer = await client.get(path)

    assert answer.json()["error"]["message"] == message
