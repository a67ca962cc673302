from typing import Any

import httpx
import orjson
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from proctor.common.v1.usage_pb2 import TokenUsage
from proctor.runs.v1 import run_pb2, sample_pb2
from unit.gateway.backend.house import MANIFEST, House


@pytest.fixture
async def run_id(client: httpx.AsyncClient) -> str:
    suite = await client.post("/evals/suites", json={"name": "s", "manifest": MANIFEST})
    body = {"suite_id": suite.json()["id"], "models": ["model-a", "model-b"]}
    found: str = (await client.post("/evals/runs", json=body)).json()["id"]
    return found


async def listed(client: httpx.AsyncClient, run_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"/evals/runs/{run_id}/samples", params=query)
    assert answer.status_code == 200, answer.text
    samples: list[dict[str, Any]] = answer.json()["data"]
    return samples


async def test_a_sample_has_every_field_of_the_contract(
    house: House, client: httpx.AsyncClient, run_id: str
) -> None:
    house.runs.add_sample(
        run_id,
        response_id="resp_1",
        judge_json=b'{"why":"so"}',
        tokens=TokenUsage(input_tokens=9, output_tokens=6, cached_tokens=0, estimated=True),
        generation_start_time=Timestamp(seconds=1_790_000_000),
        generation_end_time=Timestamp(seconds=1_790_000_001, nanos=500_000_000),
        start_time=Timestamp(seconds=1_790_000_000),
        end_time=Timestamp(seconds=1_790_000_002),
    )

    (sample,) = await listed(client, run_id, include_reasoning="true")

    assert sample.pop("id").startswith("eval_sample_")
    assert sample == {
        "object": "eval.sample",
        "run_id": run_id,
        "task_id": "sums",
        "model": "model-a",
        "sample_index": 0,
        "status": "completed",
        "dataset_row": {"q": "2+2"},
        "prompt": "Compute: 2+2",
        "target": "4",
        "response_id": "resp_1",
        "output_text": "4",
        "reasoning": "easy",
        "extracted_output": "4",
        "scores": {"score": 1.0},
        "judge": {"why": "so"},
        "error": None,
        "cost_usd": None,
        "input_tokens": 9,
        "output_tokens": 6,
        "cached_tokens": 0,
        "reasoning_tokens": None,
        "tokens_estimated": True,
        "phase_timings": {
            "generation": {
                "started_at": "2026-09-21T14:13:20Z",
                "finished_at": "2026-09-21T14:13:21.500Z",
            }
        },
        "created_at": 1_790_000_000,
        "started_at": 1_790_000_000,
        "completed_at": 1_790_000_002,
    }


async def test_a_sample_that_waits_has_nulls_and_empty_scores(
    house: House, client: httpx.AsyncClient, run_id: str
) -> None:
    waiting = sample_pb2.Sample(
        sample_id="eval_sample_1", run_id=run_id, state=sample_pb2.SAMPLE_STATE_QUEUED
    )
    house.runs.samples.append(waiting)
    waiting.scores_json = b"{}"

    (sample,) = await listed(client, run_id)

    nulls = {name for name, value in sample.items() if value is None}
    assert (sample["scores"], sample["prompt"], sample["status"]) == ({}, "", "queued")
    assert nulls == {
        "dataset_row",
        "target",
        "response_id",
        "output_text",
        "reasoning",
        "extracted_output",
        "judge",
        "error",
        "cost_usd",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "phase_timings",
        "started_at",
        "completed_at",
    }


async def test_a_failed_sample_says_where_and_why(
    house: House, client: httpx.AsyncClient, run_id: str
) -> None:
    failure = run_pb2.Failure(code="grader_timeout", message="too slow", stage="score")
    house.runs.add_sample(run_id, state=sample_pb2.SAMPLE_STATE_FAILED, error=failure)

    (sample,) = await listed(client, run_id)

    assert sample["status"] == "failed"
    assert sample["error"] == {"code": "grader_timeout", "message": "too slow", "stage": "score"}


async def test_a_call_that_is_still_running_has_no_end(
    house: House, client: httpx.AsyncClient, run_id: str
) -> None:
    house.runs.add_sample(
        run_id,
        state=sample_pb2.SAMPLE_STATE_GENERATING,
        generation_start_time=Timestamp(seconds=1_790_000_000),
    )

    (sample,) = await listed(client, run_id)

    assert sample["phase_timings"]["generation"]["finished_at"] is None


async def test_rows_come_and_reasoning_does_not_unless_asked_otherwise(
    house: House, client: httpx.AsyncClient, run_id: str
) -> None:
    house.runs.add_sample(run_id)

    (usual,) = await listed(client, run_id)
    (other,) = await listed(client, run_id, include_dataset_row="false", include_reasoning="true")

    assert (usual["dataset_row"], usual["reasoning"]) == ({"q": "2+2"}, None)
    assert (other["dataset_row"], other["reasoning"]) == (None, "easy")


async def test_samples_are_filtered_by_task_model_status_score_and_index(
    house: House, client: httpx.AsyncClient, run_id: str
) -> None:
    house.runs.add_sample(run_id, scores_json=b'{"score":0.2,"f1":1}')
    house.runs.add_sample(run_id, model="model-b", scores_json=b'{"score":0.8}')
    house.runs.add_sample(run_id, task_id="other", state=sample_pb2.SAMPLE_STATE_FAILED)

    async def indices(**query: Any) -> list[int]:
        return [sample["sample_index"] for sample in await listed(client, run_id, **query)]

    assert await indices() == [0, 1, 2]
    assert await indices(model="model-b") == [1]
    assert await indices(task_id="other") == [2]
    assert await indices(status="failed") == [2]
    assert await indices(score_min=0.2, score_max=0.8) == [0, 1]
    assert await indices(score_metric="f1", score_min=1) == [0]
    assert await indices(sample_index="1") == [1]
    assert await indices(sample_index="0, 2") == [0, 2]
    assert await indices(limit=1) == [0]


async def test_running_means_any_of_the_three_middle_states(
    house: House, client: httpx.AsyncClient, run_id: str
) -> None:
    await listed(client, run_id, status="running")

    assert list(house.runs.sample_questions[0].states) == [
        sample_pb2.SAMPLE_STATE_GENERATING,
        sample_pb2.SAMPLE_STATE_READY_TO_SCORE,
        sample_pb2.SAMPLE_STATE_SCORING,
    ]


@pytest.mark.parametrize("limit", [1, 500])
async def test_limits_at_the_edge_are_taken(
    client: httpx.AsyncClient, run_id: str, limit: int
) -> None:
    await listed(client, run_id, limit=limit)


async def test_a_hundred_samples_are_asked_for_by_default(
    house: House, client: httpx.AsyncClient, run_id: str
) -> None:
    await listed(client, run_id)

    assert house.runs.sample_questions[0].page.page_size == 100


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
        ({"status": "cancelled"}, "status"),
        ({"score_min": "nan"}, "score_min"),
        ({"score_max": "inf"}, "score_max"),
        ({"score_min": "x"}, "score_min"),
        ({"include_reasoning": "maybe"}, "include_reasoning"),
        ({"sample_index": "-1"}, "sample_index"),
        ({"sample_index": "1.5"}, "sample_index"),
        ({"sample_index": ""}, "sample_index"),
        ({"sample_index": "1,,2"}, "sample_index"),
        ({"sample_index": "²"}, "sample_index"),
        ({"sample_index": str(2**31)}, "sample_index"),
        ({"sample_index": "9" * 400}, "sample_index"),
        ({"sample_index": ",".join(["1"] * 501)}, "sample_index"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_bad_filter_is_400_and_named(
    client: httpx.AsyncClient, run_id: str, query: dict[str, Any], param: str
) -> None:
    answer = await client.get(f"/evals/runs/{run_id}/samples", params=query)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert answer.json()["error"]["reason"] == "invalid_parameter"


async def test_inline_blobs_of_a_row_are_redacted(
    house: House, client: httpx.AsyncClient, run_id: str
) -> None:
    row = {
        "audio": "data:audio/wav;base64,UklGRg==",
        "note": "data: none",
        "n": {"i": ["data:image/png;base64,AAAA"]},
    }
    house.runs.add_sample(run_id, dataset_row_json=orjson.dumps(row))

    (sample,) = await listed(client, run_id)

    assert sample["dataset_row"] == {
        "audio": "data:audio/wav;base64,[redacted]",
        "note": "data: none",
        "n": {"i": ["data:image/png;base64,[redacted]"]},
    }
