import asyncio
import copy
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from unit.gateway.backend.house import BASE, MANIFEST, House

Create = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def create(client: httpx.AsyncClient) -> Create:
    """Creates a suite and returns its object."""

    async def create(**fields: Any) -> dict[str, Any]:
        body = {"name": "s", "manifest": MANIFEST, **fields}
        answer = await client.post("/evals/suites", json=body)
        assert answer.status_code == 200, answer.text
        suite: dict[str, Any] = answer.json()
        return suite

    return create


async def refused(client: httpx.AsyncClient, body: Any) -> dict[str, Any]:
    answer = await client.post("/evals/suites", json=body)
    assert answer.status_code == 400, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


async def test_a_created_suite_has_every_field_of_the_contract(create: Create) -> None:
    suite = await create(metadata={"owner": "qa"})

    assert suite.pop("id").startswith("eval_suite_")
    assert suite == {
        "object": "eval.suite",
        "name": "s",
        "description": None,
        "org_id": "org_a",
        "team_id": "team_a",
        "access": "owner",
        "active_version": 1,
        "latest_version": 1,
        "metadata": {"owner": "qa"},
        "created_at": 1_790_000_000,
        "updated_at": 1_790_000_000,
    }


async def test_a_suite_can_be_read_again(client: httpx.AsyncClient, create: Create) -> None:
    suite = await create(description="words")

    assert (await client.get(f"/evals/suites/{suite['id']}")).json() == suite
    assert suite["description"] == "words"


async def test_a_version_carries_the_normalised_manifest(
    client: httpx.AsyncClient, create: Create
) -> None:
    suite = await create()

    version = (await client.get(f"/evals/suites/{suite['id']}/versions/1")).json()

    assert version["manifest"]["schema_version"] == "2026-05-27"
    assert version["manifest"]["tasks"][0]["output_extraction"] == {"type": "none"}
    assert set(version) == {
        "id",
        "object",
        "suite_id",
        "version",
        "manifest",
        "dataset_file_ids",
        "metadata",
        "created_at",
    }
    assert version["object"] == "eval.suite.version"


async def test_a_new_version_becomes_the_active_one(
    client: httpx.AsyncClient, create: Create
) -> None:
    suite = await create()

    made = await client.post(f"/evals/suites/{suite['id']}/versions", json={"manifest": MANIFEST})

    after = (await client.get(f"/evals/suites/{suite['id']}")).json()
    assert (made.status_code, made.json()["version"]) == (200, 2)
    assert (after["active_version"], after["latest_version"]) == (2, 2)


async def test_a_staged_version_leaves_the_active_one(
    client: httpx.AsyncClient, create: Create
) -> None:
    suite = await create()

    await client.post(
        f"/evals/suites/{suite['id']}/versions",
        json={"manifest": MANIFEST, "make_active": False, "metadata": {"a": "b"}},
    )

    after = (await client.get(f"/evals/suites/{suite['id']}")).json()
    assert (after["active_version"], after["latest_version"]) == (1, 2)


async def test_numbers_and_texts_of_a_manifest_arrive_as_they_were_sent(
    client: httpx.AsyncClient, create: Create
) -> None:
    manifest = copy.deepcopy(MANIFEST)
    extra = {"big": 2**63 - 1, "small": 1e-300, "text": "größe 数 \u2028 </script>", "list": [1.0]}
    manifest["metadata"] = extra
    suite = await create(manifest=manifest)

    version = (await client.get(f"/evals/suites/{suite['id']}/versions/1")).json()

    assert version["manifest"]["metadata"] == extra


async def test_suites_are_listed_in_pages_newest_first(
    client: httpx.AsyncClient, create: Create
) -> None:
    made = [(await create(name=f"s{number}"))["id"] for number in range(3)][::-1]

    first = (await client.get("/evals/suites?limit=2&owned_only=false")).json()
    second = (await client.get(f"/evals/suites?limit=2&after={first['last_id']}")).json()

    assert [suite["id"] for suite in first["data"] + second["data"]] == made
    assert (first["object"], first["has_more"], second["has_more"]) == ("list", True, False)
    assert (first["first_id"], first["last_id"]) == (made[0], made[1])


async def test_an_empty_page_has_no_ids(client: httpx.AsyncClient) -> None:
    assert (await client.get("/evals/suites")).json() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


async def test_versions_are_listed_highest_first(client: httpx.AsyncClient, create: Create) -> None:
    path = f"/evals/suites/{(await create())['id']}/versions"
    for _ in range(2):
        await client.post(path, json={"manifest": MANIFEST})

    page = (await client.get(f"{path}?limit=2")).json()

    assert [version["version"] for version in page["data"]] == [3, 2]
    assert page["has_more"] is True


@pytest.mark.parametrize("path", ["/evals/suites", "/evals/runs", "/files"])
async def test_an_unknown_cursor_is_400(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"{path}?after=nothing")

    assert answer.status_code == 400
    assert answer.json()["error"]["reason"] == "invalid_cursor"
    assert answer.json()["error"]["param"] == "after"


@pytest.mark.parametrize("limit", [1, 100])
async def test_limits_at_the_edge_are_taken(client: httpx.AsyncClient, limit: int) -> None:
    assert (await client.get(f"/evals/suites?limit={limit}")).status_code == 200


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/evals/suites/eval_suite_x", "suite_not_found"),
        ("/evals/suites/eval_suite_x/versions", "suite_not_found"),
        ("/evals/suites/eval_suite_x/versions/1", "suite_not_found"),
    ],
)
async def test_an_unknown_suite_is_404(client: httpx.AsyncClient, path: str, reason: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404
    assert answer.json()["error"]["reason"] == reason


async def test_an_unknown_version_is_404(client: httpx.AsyncClient, create: Create) -> None:
    answer = await client.get(f"/evals/suites/{(await create())['id']}/versions/2")

    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("change", "param", "reason"),
    [
        ({"name": ""}, "name", "invalid_value"),
        ({"name": "x" * 256}, "name", "invalid_value"),
        ({"name": 5}, "name", "invalid_value"),
        ({"name": None}, "name", "invalid_value"),
        ({"description": "x" * 10_001}, "description", "invalid_value"),
        ({"description": []}, "description", "invalid_value"),
        ({"manifest": []}, "manifest", "invalid_value"),
        ({"manifest": "{}"}, "manifest", "invalid_value"),
        ({"manifest": None}, "manifest", "invalid_value"),
        ({"metadata": []}, "metadata", "invalid_value"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_value"),
        ({"metadata": {"a": None}}, "metadata.a", "invalid_value"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a", "invalid_metadata"),
        ({"metadata": {str(n): "v" for n in range(65)}}, "metadata", "invalid_metadata"),
        ({"surprise": 1}, "surprise", "unknown_field"),
    ],
)
async def test_a_body_out_of_shape_is_400_and_names_the_field(
    house: House, client: httpx.AsyncClient, change: dict[str, Any], param: str, reason: str
) -> None:
    error = await refused(client, {"name": "s", "manifest": MANIFEST, **change})

    assert (error["param"], error["reason"], error["code"]) == (param, reason, 400)
    assert error["details"][0]["path"] == param
    assert house.suites.callers == []


async def test_a_label_key_that_is_too_long_is_400(client: httpx.AsyncClient) -> None:
    error = await refused(client, {"name": "s", "manifest": MANIFEST, "metadata": {"k" * 65: "v"}})

    assert error["param"].startswith("metadata")
    assert error["reason"] == "invalid_metadata"


async def test_texts_at_their_limits_are_taken(create: Create) -> None:
    suite = await create(name="n" * 255, description="d" * 10_000, metadata={"k" * 64: "v" * 512})

    assert suite["metadata"] == {"k" * 64: "v" * 512}


async def test_optional_members_may_be_null(create: Create) -> None:
    suite = await create(description=None, metadata=None)

    assert (suite["description"], suite["metadata"]) == (None, {})


async def test_a_bad_manifest_names_every_problem_with_its_path(
    client: httpx.AsyncClient,
) -> None:
    manifest = copy.deepcopy(MANIFEST)
    task = manifest["tasks"][0]
    task["id"] = "no blanks"
    task["type"] = "riddle"
    task["grader"] = {"type": "python"}
    task["extra"] = 1

    error = await refused(client, {"name": "s", "manifest": manifest})

    paths = {found["path"] for found in error["details"]}
    assert error["param"] == error["details"][0]["path"]
    assert {"manifest.tasks[0].id", "manifest.tasks[0].type", "manifest.tasks[0].extra"} <= paths
    assert all(found["message"] and found["reason"] for found in error["details"])


async def test_a_duplicate_task_id_has_its_own_reason(client: httpx.AsyncClient) -> None:
    error = await refused(client, {"name": "s", "manifest": {"tasks": MANIFEST["tasks"] * 2}})

    assert error["reason"] == "duplicate_task_id"


async def test_a_manifest_of_nearly_4_mib_travels(client: httpx.AsyncClient) -> None:
    manifest = copy.deepcopy(MANIFEST)
    manifest["metadata"] = {"filler": "x" * (4 * 1024 * 1024 - 1000)}

    answer = await client.post("/evals/suites", json={"name": "s", "manifest": manifest})

    assert answer.status_code == 200


async def test_a_client_that_hangs_up_calls_the_creation_off(house: House) -> None:
    house.suites.hold = asyncio.Event()
    key = await house.key()
    raw = json.dumps({"name": "s", "manifest": MANIFEST}).encode()
    messages = [{"type": "http.request", "body": raw, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await house.suites.held.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    async with asyncio.timeout(5):
        await house.app(
            {
                "type": "http",
                "method": "POST",
                "path": f"{BASE}/evals/suites",
                "raw_path": f"{BASE}/evals/suites".encode(),
                "root_path": "",
                "query_string": b"",
                "headers": [
                    (b"authorization", f"Bearer {key}".encode()),
                    (b"content-type", b"application/json"),
                ],
                "http_version": "1.1",
                "scheme": "http",
                "server": ("t", 80),
                "client": ("c", 1),
            },
            receive,
            send,
        )
        await house.suites.let_go.wait()

    assert house.suites.suites == {}
