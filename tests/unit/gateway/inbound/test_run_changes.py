import httpx
import pytest

from gateway.domain.run_token import read_run_token
from gateway.domain.scopes import Scope
from gateway.domain.usage import ModelUsage, TokenCounts, UsageSum
from proctor.runs.v1 import run_pb2
from unit.gateway.backend.house import MANIFEST, RUN_TOKEN_SECRET, House

CHANGES = [
    ("POST", "/cancel"),
    ("POST", "/rerun-failed"),
    ("POST", "/retry"),
    ("DELETE", ""),
]


@pytest.fixture
async def run_id(client: httpx.AsyncClient) -> str:
    suite = (await client.post("/evals/suites", json={"name": "s", "manifest": MANIFEST})).json()
    body = {
        "suite_id": suite["id"],
        "models": ["model-a", "model-b"],
        "judge_model": "judge",
        "metadata": {"a": "b"},
    }
    found: str = (await client.post("/evals/runs", json=body)).json()["id"]
    return found


def put(house: House, run_id: str, state: "run_pb2.RunState.ValueType", *, failed: int = 0) -> None:
    run = house.runs.runs[run_id]
    run.state = state
    run.request_counts.failed = failed
    run.end_time.FromSeconds(1_790_000_200)


async def test_a_run_is_cancelled_without_a_body_and_again_without_a_change(
    client: httpx.AsyncClient, run_id: str
) -> None:
    answers = [await client.post(f"/evals/runs/{run_id}/cancel") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    run = answers[0].json()
    assert (run["object"], run["status"], run["cancelled_at"]) == (
        "eval.run",
        "cancelled",
        1_790_000_100,
    )
    assert "content-type" not in answers[0].request.headers


@pytest.mark.parametrize(
    ("state", "change"),
    [
        (run_pb2.RUN_STATE_IN_PROGRESS, "cancel"),
        (run_pb2.RUN_STATE_COMPLETED, "rerun-failed"),
        (run_pb2.RUN_STATE_FAILED, "retry"),
    ],
)
async def test_a_changed_run_tells_what_its_graders_asked_so_far(
    client: httpx.AsyncClient,
    house: House,
    run_id: str,
    state: "run_pb2.RunState.ValueType",
    change: str,
) -> None:
    put(house, run_id, state, failed=2)
    usage = ModelUsage(calls=3, tokens=TokenCounts(input_tokens=30))
    await house.usage.write([UsageSum(id="usage_1", run_id=run_id, model="judge", usage=usage)])

    answer = (await client.post(f"/evals/runs/{run_id}/{change}")).json()

    assert answer["grader_usage"]["model_calls"] == 3
    assert answer["grader_usage"]["by_model"]["judge"]["tokens"]["input"] == 30


async def test_failed_samples_run_again_with_a_token_that_is_new_and_bound_to_the_same_run(
    client: httpx.AsyncClient, house: House, run_id: str
) -> None:
    put(house, run_id, run_pb2.RUN_STATE_COMPLETED, failed=2)

    answer = await client.post(f"/evals/runs/{run_id}/rerun-failed")

    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    assert answer.json()["completed_at"] is None
    (token,) = house.runs.fresh_tokens
    grant = read_run_token(token, RUN_TOKEN_SECRET).grant
    assert (grant.run_id, grant.org_id, grant.team_id) == (run_id, "org_a", "team_a")
    assert (grant.candidates, grant.judge, grant.embedding) == (
        ("model-a", "model-b"),
        "judge",
        None,
    )


@pytest.mark.parametrize("state", [run_pb2.RUN_STATE_FAILED, run_pb2.RUN_STATE_CANCELLED])
async def test_a_failed_or_cancelled_run_is_resumed(
    client: httpx.AsyncClient, house: House, run_id: str, state: "run_pb2.RunState.ValueType"
) -> None:
    put(house, run_id, state)

    answer = await client.post(f"/evals/runs/{run_id}/retry", headers={"x-on-behalf-of": "u7"})

    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    (token,) = house.runs.fresh_tokens
    assert read_run_token(token, RUN_TOKEN_SECRET).grant.on_behalf_of == "u7"


@pytest.mark.parametrize(
    ("path", "state", "reason"),
    [
        ("cancel", run_pb2.RUN_STATE_COMPLETED, "run_not_cancellable"),
        ("cancel", run_pb2.RUN_STATE_FAILED, "run_not_cancellable"),
        ("rerun-failed", run_pb2.RUN_STATE_IN_PROGRESS, "run_not_completed"),
        ("rerun-failed", run_pb2.RUN_STATE_COMPLETED, "no_failed_samples"),
        ("retry", run_pb2.RUN_STATE_COMPLETED, "run_not_retryable"),
    ],
)
async def test_a_run_in_another_status_is_refused_with_409(
    client: httpx.AsyncClient,
    house: House,
    run_id: str,
    path: str,
    state: "run_pb2.RunState.ValueType",
    reason: str,
) -> None:
    put(house, run_id, state)

    answer = await client.post(f"/evals/runs/{run_id}/{path}")

    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (409, "conflict_error", 409)
    assert error["reason"] == reason


async def test_a_deleted_run_is_gone(client: httpx.AsyncClient, run_id: str) -> None:
    answer = await client.delete(f"/evals/runs/{run_id}")

    assert answer.json() == {"id": run_id, "object": "eval.run.deleted", "deleted": True}
    assert (await client.get(f"/evals/runs/{run_id}")).status_code == 404
    assert (await client.delete(f"/evals/runs/{run_id}")).status_code == 404


async def test_a_deleted_suite_takes_its_runs_along_and_counts_them(
    client: httpx.AsyncClient, run_id: str
) -> None:
    suite_id = (await client.get(f"/evals/runs/{run_id}")).json()["suite_id"]

    answer = await client.delete(f"/evals/suites/{suite_id}")

    assert answer.json() == {
        "id": suite_id,
        "object": "eval.suite.deleted",
        "deleted": True,
        "deleted_runs": 1,
    }
    assert (await client.delete(f"/evals/suites/{suite_id}")).status_code == 404


@pytest.mark.parametrize(("method", "path"), CHANGES)
async def test_only_writers_of_the_same_team_change_a_run(
    house: House, run_id: str, method: str, path: str
) -> None:
    async with house.client(Scope.READ_EVALS) as reader:
        refused = await reader.request(method, f"/evals/runs/{run_id}{path}")
    async with house.client(team="team_b") as stranger:
        unseen = await stranger.request(method, f"/evals/runs/{run_id}{path}")

    assert (refused.status_code, unseen.status_code) == (403, 404)
    assert unseen.json()["error"]["reason"] == "run_not_found"
    assert house.runs.runs[run_id].state == run_pb2.RUN_STATE_QUEUED


@pytest.mark.parametrize(("method", "path"), CHANGES)
async def test_a_body_that_nobody_asked_for_does_no_harm(
    client: httpx.AsyncClient, house: House, run_id: str, method: str, path: str
) -> None:
    state = run_pb2.RUN_STATE_FAILED if path == "/retry" else run_pb2.RUN_STATE_COMPLETED
    put(house, run_id, run_pb2.RUN_STATE_QUEUED if path == "/cancel" else state, failed=1)

    answer = await client.request(method, f"/evals/runs/{run_id}{path}", content=b"\xff{")

    assert answer.status_code == 200, answer.text
