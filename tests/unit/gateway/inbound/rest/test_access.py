import httpx
import pytest

from gateway.domain.scopes import Scope
from unit.gateway.backend.house import BASE, MANIFEST, House

OPERATIONS = [
    ("POST", "/files", Scope.WRITE_FILES),
    ("GET", "/files", Scope.READ_FILES),
    ("GET", "/files/file_1", Scope.READ_FILES),
    ("GET", "/files/file_1/content", Scope.READ_FILES),
    ("DELETE", "/files/file_1", Scope.WRITE_FILES),
    ("POST", "/evals/suites", Scope.WRITE_EVALS),
    ("GET", "/evals/suites", Scope.READ_EVALS),
    ("GET", "/evals/suites/s", Scope.READ_EVALS),
    ("POST", "/evals/suites/s/versions", Scope.WRITE_EVALS),
    ("GET", "/evals/suites/s/versions", Scope.READ_EVALS),
    ("GET", "/evals/suites/s/versions/1", Scope.READ_EVALS),
    ("POST", "/evals/runs", Scope.WRITE_EVALS),
    ("GET", "/evals/runs", Scope.READ_EVALS),
    ("GET", "/evals/runs/r", Scope.READ_EVALS),
    ("GET", "/evals/runs/r/samples", Scope.READ_EVALS),
    ("GET", "/evals/runs/r/artifacts", Scope.READ_EVALS),
]


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS)
async def test_without_its_scope_an_operation_is_403(
    house: House, method: str, path: str, scope: Scope
) -> None:
    others = [other for other in Scope if other is not scope]

    async with house.client(*others) as client:
        answer = await client.request(method, path)

    assert answer.status_code == 403
    assert answer.json()["error"]["reason"] == "scope_missing"
    assert answer.json()["error"]["type"] == "permission_error"


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS)
async def test_with_its_scope_alone_an_operation_is_let_through(
    house: House, method: str, path: str, scope: Scope
) -> None:
    async with house.client(scope) as client:
        answer = await client.request(method, path)

    assert answer.status_code not in (401, 403)


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS)
async def test_without_a_key_an_operation_is_401(
    house: House, method: str, path: str, scope: Scope
) -> None:
    transport = httpx.ASGITransport(house.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        answer = await client.request(method, BASE + path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["reason"] == "api_key_missing"


@pytest.mark.parametrize("key", ["x", f"prk_{'0' * 16}_{'0' * 64}"])
async def test_an_unknown_key_is_401(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.get("/files", headers={"authorization": f"Bearer {key}"})

    assert answer.status_code == 401
    assert answer.json()["error"]["reason"] == "api_key_invalid"
    assert answer.json()["error"]["type"] == "authentication_error"


async def test_the_services_are_told_who_calls(house: House) -> None:
    async with house.client(Scope.READ_FILES, team="team_b") as client:
        await client.get("/files", headers={"X-On-Behalf-Of": " user-7 "})

    caller = house.files.callers[-1]
    assert (caller.org_id, caller.team_id) == ("org_a", "team_b")
    assert caller.on_behalf_of == "user-7"
    assert caller.scopes == ("read:files",)
    assert await house.keys.find(caller.key_id)


async def test_without_the_header_nobody_is_acted_for(
    house: House, client: httpx.AsyncClient
) -> None:
    await client.get("/files")

    assert house.files.callers[-1].on_behalf_of == ""


async def test_an_end_users_id_of_255_characters_is_taken(
    house: House, client: httpx.AsyncClient
) -> None:
    answer = await client.get("/files", headers={"X-On-Behalf-Of": "u" * 255})

    assert answer.status_code == 200


@pytest.mark.parametrize("end_user", [b"u" * 256, b"\xc3\xbc", b"a\tb"])
async def test_an_end_users_id_that_cannot_travel_is_400(
    client: httpx.AsyncClient, end_user: bytes
) -> None:
    answer = await client.get("/files", headers={b"X-On-Behalf-Of": end_user})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "X-On-Behalf-Of"


async def test_what_another_team_owns_is_404(house: House, client: httpx.AsyncClient) -> None:
    made = await client.post("/evals/suites", json={"name": "s", "manifest": MANIFEST})
    suite_id = made.json()["id"]

    async with house.client(team="team_b") as stranger:
        answer = await stranger.get(f"/evals/suites/{suite_id}")

    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found_error"
