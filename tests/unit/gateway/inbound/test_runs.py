import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from gateway.domain.run_token import read_run_token
from gateway.domain.usage import ModelUsage, TokenCounts, UsageSum
from proctor.common.v1.usage_pb2 import TokenUsage
from proctor.runs.v1 import run_pb2
from proctor.runs.v1.run_service_pb2 import GetArtifactsResponse
from unit.gateway.backend.house import MANIFEST, RUN_TOKEN_SECRET, House

NESTED_24 = json.loads("[" * 24 + "]" * 24)

Start = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def suite_id(client: httpx.AsyncClient) -> str:
    answer = await client.post("/evals/suites", json={"name": "s", "manifest": MANIFEST})
    found: str = answer.json()["id"]
    return found


@pytest.fixture
def start(client: httpx.AsyncClient, suite_id: str) -> Start:
    """Starts a run and returns its object."""

    async def start(**fields: Any) -> dict[str, Any]:
        body = {"suite_id": suite_id, "models": ["model-a"], **fields}
        answer = await client.post("/evals/runs", json=body)
        assert answer.status_code == 200, answer.text
        run: dict[str, Any] = answer.json()
        return run

    return start


async def test_a_started_run_has_every_field_of_the_contract(start: Start, suite_id: str) -> None:
    run = await start(generation={"temperature": 0}, metadata={"a": "b"})

    assert run.pop("id").startswith("eval_run_")
    assert run.pop("suite_version_id").startswith("eval_sver_")
    assert run == {
        "object": "eval.run",
        "suite_id": suite_id,
        "suite_version": 1,
        "org_id": "org_a",
        "team_id": "team_a",
        "status": "queued",
        "models": ["model-a"],
        "task_ids": None,
        "judge_model": None,
        "embedding_model": None,
        "generation": {"temperature": 0},
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "metrics": None,
        "error": None,
        "artifact_file_ids": [],
        "metadata": {"a": "b"},
        "origin": "executed",
        "agent_name": None,
        "agent_version": None,
        "agent_effort": None,
        "cost_usd": None,
        "tokens": {"input": None, "output": None, "cached": None, "reasoning": None},
        "grader_usage": {
            "model_calls": 0,
            "tokens": {"input": None, "output": None, "cached": None, "reasoning": None},
            "by_model": {},
        },
        "generation_concurrency": 4,
        "grader_concurrency": 2,
        "max_samples_per_task": None,
        "schedule_id": None,
        "created_at": 1_790_000_000,
        "started_at": None,
        "completed_at": None,
        "cancelled_at": None,
        "failed_at": None,
    }


async def test_without_generation_settings_the_object_is_empty(start: Start) -> None:
    assert (await start())["generation"] == {}


async def test_unknown_generation_settings_are_passed_on_and_echoed(start: Start) -> None:
    settings = {"stop": "x", "mystery": {"a": [1]}, "top_p": None}

    assert (await start(generation=settings))["generation"] == settings


async def test_every_setting_reaches_the_run_service(house: House, start: Start) -> None:
    run = await start(
        models=["b", "a"],
        suite_version=1,
        task_ids=["sums"],
        judge_model="judge",
        embedding_model="embed",
        generation_concurrency=8,
        grader_concurrency=3,
        max_samples_per_task=5,
        max_workflow_sample_activities=5000,
    )

    sent = house.runs.requests[0]
    assert list(sent.models) == ["b", "a"]
    assert (sent.selects_tasks, list(sent.task_ids), sent.suite_version) == (True, ["sums"], 1)
    assert (sent.judge_model, sent.embedding_model) == ("judge", "embed")
    assert (sent.generation_concurrency, sent.grader_concurrency) == (8, 3)
    assert (run["task_ids"], run["max_samples_per_task"]) == (["sums"], 5)


async def test_a_run_is_sent_off_with_a_token_of_its_own(house: House, start: Start) -> None:
    run = await start(models=["a"], judge_model="judge")

    grant = read_run_token(house.runs.requests[0].run_token, RUN_TOKEN_SECRET).grant
    assert grant.run_id == run["id"] == house.runs.requests[0].run_id
    assert (grant.team_id, grant.candidates, grant.judge) == ("team_a", ("a",), "judge")
    assert house.runs.requests[0].run_token not in str(run)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, (0, 0)),
        ({"concurrency": 7}, (7, 7)),
        ({"concurrency": 7, "generation_concurrency": 1}, (1, 7)),
        ({"concurrency": 7, "grader_concurrency": 1}, (7, 1)),
        ({"generation_concurrency": 1000, "grader_concurrency": 1000}, (1000, 1000)),
        ({"concurrency": 25}, (25, 25)),
        ({"concurrency": 1}, (1, 1)),
    ],
)
async def test_the_finer_concurrency_wins_and_the_coarse_one_stands_in(
    house: House, start: Start, fields: dict[str, int], sent: tuple[int, int]
) -> None:
    await start(**fields)

    request = house.runs.requests[0]
    assert (request.generation_concurrency, request.grader_concurrency) == sent


@pytest.mark.parametrize(
    ("change", "param", "reason"),
    [
        ({"models": []}, "models", "empty_models"),
        ({"models": [f"m{n}" for n in range(21)]}, "models", "too_many_models"),
        ({"models": ["a", "b", "a"]}, "models", "duplicate_models"),
        ({"models": "a"}, "models", "invalid_value"),
        ({"models": [1]}, "models[0]", "invalid_value"),
        ({"models": ["a", ""]}, "models[1]", "invalid_value"),
        ({"models": ["x" * 256]}, "models[0]", "invalid_value"),
        ({"models": ["modèle"]}, "models[0]", "invalid_value"),
        ({"models": ["a\nb"]}, "models[0]", "invalid_value"),
        ({"models": [""] * 50_000}, "models", "too_many_models"),
        ({"judge_model": "模型"}, "judge_model", "invalid_value"),
        ({"task_ids": [f"t{n}" for n in range(101)]}, "task_ids", "too_many_task_ids"),
        ({"metadata": {str(n): "v" for n in range(65)}}, "metadata", "invalid_metadata"),
        ({"suite_id": ""}, "suite_id", "invalid_value"),
        ({"suite_version": 0}, "suite_version", "invalid_value"),
        ({"suite_version": 2**31}, "suite_version", "invalid_value"),
        ({"suite_version": "1"}, "suite_version", "invalid_value"),
        ({"suite_version": True}, "suite_version", "invalid_value"),
        ({"suite_version": 1.5}, "suite_version", "invalid_value"),
        ({"task_ids": []}, "task_ids", "empty_task_ids"),
        ({"task_ids": ["a", "a"]}, "task_ids", "duplicate_task_ids"),
        ({"task_ids": "a"}, "task_ids", "invalid_value"),
        ({"judge_model": ""}, "judge_model", "invalid_value"),
        ({"embedding_model": 1}, "embedding_model", "invalid_value"),
        ({"generation": []}, "generation", "invalid_value"),
        ({"generation": {"temperature": 3}}, "generation.temperature", "invalid_generation"),
        ({"generation": {"stop": ["a", 1]}}, "generation.stop[1]", "invalid_generation"),
        ({"generation": {"x": NESTED_24}}, "generation.x", "invalid_generation"),
        ({"concurrency": 0}, "concurrency", "invalid_concurrency"),
        ({"concurrency": 26}, "concurrency", "invalid_concurrency"),
        ({"generation_concurrency": 0}, "generation_concurrency", "invalid_concurrency"),
        ({"generation_concurrency": 1001}, "generation_concurrency", "invalid_concurrency"),
        ({"grader_concurrency": 0}, "grader_concurrency", "invalid_concurrency"),
        ({"grader_concurrency": 1001}, "grader_concurrency", "invalid_concurrency"),
        ({"max_samples_per_task": 0}, "max_samples_per_task", "invalid_value"),
        ({"max_workflow_sample_activities": 0}, "max_workflow_sample_activities", "invalid_value"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_value"),
        ({"temperature": 0}, "temperature", "unknown_field"),
    ],
)
async def test_a_body_out_of_shape_is_400_and_names_the_field(
    house: House,
    client: httpx.AsyncClient,
    suite_id: str,
    change: dict[str, Any],
    param: str,
    reason: str,
) -> None:
    answer = await client.post(
        "/evals/runs", json={"suite_id": suite_id, "models": ["model-a"], **change}
    )

    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["param"], error["reason"]) == (param, reason)
    assert house.runs.requests == []


async def test_every_problem_of_a_body_is_told_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/evals/runs",
        json={
            "models": ["a", "a"],
            "generation": {"temperature": 9, "top_p": -1},
            "concurrency": 99,
            "what": 1,
        },
    )

    paths = {found["path"] for found in answer.json()["errors"]}
    assert paths == {
        "suite_id",
        "models",
        "generation.temperature",
        "generation.top_p",
        "concurrency",
        "what",
    }


async def test_twenty_models_are_taken(start: Start) -> None:
    models = [f"m{number}" for number in range(20)]

    assert (await start(models=models))["models"] == models


async def test_a_whole_number_may_be_written_with_a_point(house: House, start: Start) -> None:
    await start(suite_version=1.0, concurrency=2.0)

    assert house.runs.requests[0].generation_concurrency == 2


async def test_an_unknown_suite_is_404(client: httpx.AsyncClient) -> None:
    answer = await client.post("/evals/runs", json={"suite_id": "eval_suite_x", "models": ["a"]})

    assert answer.status_code == 404
    assert answer.json()["error"]["reason"] == "suite_not_found"


@pytest.mark.parametrize(
    ("state", "status", "member"),
    [
        (run_pb2.RUN_STATE_QUEUED, "queued", None),
        (run_pb2.RUN_STATE_IN_PROGRESS, "in_progress", None),
        (run_pb2.RUN_STATE_FINALIZING, "finalizing", None),
        (run_pb2.RUN_STATE_CANCELLING, "cancelling", None),
        (run_pb2.RUN_STATE_COMPLETED, "completed", "completed_at"),
        (run_pb2.RUN_STATE_FAILED, "failed", "failed_at"),
        (run_pb2.RUN_STATE_CANCELLED, "cancelled", "cancelled_at"),
    ],
)
async def test_each_state_has_its_word_and_its_time(
    house: House, client: httpx.AsyncClient, start: Start, state: Any, status: str, member: str
) -> None:
    run_id = (await start())["id"]
    stored = house.runs.runs[run_id]
    stored.state = state
    stored.start_time.FromSeconds(1_790_000_001)
    if member:
        stored.end_time.FromSeconds(1_790_000_002)

    run = (await client.get(f"/evals/runs/{run_id}")).json()

    times = {name: run[name] for name in ("completed_at", "failed_at", "cancelled_at")}
    assert run["status"] == status
    assert run["started_at"] == 1_790_000_001
    assert times == {name: 1_790_000_002 if name == member else None for name in times}


async def test_a_finished_run_shows_metrics_tokens_artifacts_and_counts(
    house: House, client: httpx.AsyncClient, start: Start
) -> None:
    run_id = (await start())["id"]
    stored = house.runs.runs[run_id]
    stored.state = run_pb2.RUN_STATE_COMPLETED
    stored.metrics_json = b'{"by_model":{"model-a":{"score":0.5}},"by_task":{}}'
    stored.tokens.CopyFrom(TokenUsage(input_tokens=7, output_tokens=0))
    stored.artifact_file_ids.extend(["file_1", "file_2"])
    stored.request_counts.CopyFrom(run_pb2.RequestCounts(total=3, completed=2, failed=1))

    run = (await client.get(f"/evals/runs/{run_id}")).json()

    assert run["metrics"]["by_model"]["model-a"]["score"] == 0.5
    assert run["tokens"] == {"input": 7, "output": 0, "cached": None, "reasoning": None}
    assert run["artifact_file_ids"] == ["file_1", "file_2"]
    assert run["request_counts"] == {"total": 3, "completed": 2, "failed": 1}


async def test_a_failed_run_says_why(house: House, client: httpx.AsyncClient, start: Start) -> None:
    run_id = (await start())["id"]
    house.runs.runs[run_id].error.CopyFrom(
        run_pb2.Failure(
            code="dataset_error",
            message="line 3",
            stage="prepare",
            details_json=b'{"line":3,"code":"forged"}',
        )
    )

    run = (await client.get(f"/evals/runs/{run_id}")).json()

    assert run["error"] == {
        "code": "dataset_error",
        "message": "line 3",
        "stage": "prepare",
        "line": 3,
    }


@pytest.mark.parametrize("path", ["", "/samples", "/artifacts"])
async def test_an_unknown_run_is_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/evals/runs/eval_run_x{path}")

    assert answer.status_code == 404
    assert answer.json()["error"]["reason"] == "run_not_found"


async def test_runs_are_listed_by_suite_version_and_status(
    house: House, client: httpx.AsyncClient, start: Start, suite_id: str
) -> None:
    ids = [(await start())["id"] for _ in range(3)]
    house.runs.runs[ids[1]].state = run_pb2.RUN_STATE_IN_PROGRESS

    async def listed(query: str) -> list[str]:
        page = (await client.get(f"/evals/runs?{query}")).json()
        return [run["id"] for run in page["data"]]

    assert await listed("limit=20&owned_only=false") == ids[::-1]
    assert await listed("status=in_progress") == [ids[1]]
    assert await listed("status=running") == [ids[1]]
    assert await listed("status=completed") == []
    assert await listed(f"suite_id={suite_id}&suite_version=1") == ids[::-1]
    assert await listed(f"suite_id={suite_id}&suite_version=2") == []
    assert await listed("suite_id=other") == []
    assert await listed(f"limit=1&after={ids[2]}") == [ids[1]]


async def test_a_version_without_its_suite_is_400(client: httpx.AsyncClient) -> None:
    answer = await client.get("/evals/runs?suite_version=1")

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "suite_version"
    assert answer.json()["error"]["reason"] == "suite_version_without_suite"


async def test_an_unfinished_run_has_no_artifacts(client: httpx.AsyncClient, start: Start) -> None:
    run_id = (await start())["id"]

    assert (await client.get(f"/evals/runs/{run_id}/artifacts")).json() == {
        "object": "eval.artifacts",
        "run_id": run_id,
        "result_file_id": None,
        "samples_file_id": None,
        "artifact_file_ids": [],
    }


async def test_a_finished_run_names_its_artifacts(
    house: House, client: httpx.AsyncClient, start: Start
) -> None:
    run_id = (await start())["id"]
    house.runs.artifacts = GetArtifactsResponse(result_file_id="file_r", samples_file_id="file_s")

    artifacts = (await client.get(f"/evals/runs/{run_id}/artifacts")).json()

    assert artifacts["artifact_file_ids"] == ["file_r", "file_s"]
    assert (artifacts["result_file_id"], artifacts["samples_file_id"]) == ("file_r", "file_s")


async def test_a_run_tells_what_its_graders_asked_apart_from_its_candidates(
    house: House, client: httpx.AsyncClient, start: Start
) -> None:
    run = await start()
    tokens = TokenCounts(input_tokens=30, output_tokens=4)
    for number in (1, 2):
        usage = ModelUsage(calls=1, tokens=tokens)
        await house.usage.write(
            [UsageSum(id=f"usage_{number}", run_id=run["id"], model="judge", usage=usage)]
        )
    got = (await client.get(f"/evals/runs/{run['id']}")).json()
    (listed,) = (await client.get("/evals/runs")).json()["data"]

    sums = {"input": 60, "output": 8, "cached": None, "reasoning": None}
    block = {"model_calls": 2, "tokens": sums}
    assert got["grader_usage"] == {**block, "by_model": {"judge": block}}
    assert listed["grader_usage"] == got["grader_usage"]
    assert got["tokens"]["input"] is None


async def test_an_idempotency_key_names_one_run_and_without_it_each_is_new(
    house: House, client: httpx.AsyncClient, suite_id: str
) -> None:
    body = {"suite_id": suite_id, "models": ["model-a"]}
    for key in ("k", "k", None, None):
        headers = {"Idempotency-Key": key} if key else {}
        answer = await client.post("/evals/runs", json=body, headers=headers)
        assert answer.status_code == 200

    ids = [request.run_id for request in house.runs.requests]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


async def test_an_idempotency_key_that_is_too_long_is_refused(
    client: httpx.AsyncClient, suite_id: str
) -> None:
    body = {"suite_id": suite_id, "models": ["model-a"]}

    answer = await client.post("/evals/runs", json=body, headers={"Idempotency-Key": "k" * 256})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "Idempotency-Key"
