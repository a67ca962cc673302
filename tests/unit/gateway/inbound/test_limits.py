"""docs/limits.md: one above each limit of the gateway's is refused as the page says."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from unit.gateway.backend.house import MANIFEST

TESTS = Path(__file__).parents[3]
PAGE = TESTS.parent / "docs" / "limits.md"
RUN: dict[str, Any] = {"suite_id": "eval_suite_x", "models": ["m"]}
SUITE: dict[str, Any] = {"name": "n", "manifest": MANIFEST}


def nested(levels: int) -> dict[str, Any]:
    return {} if levels == 1 else {"a": nested(levels - 1)}


BODIES: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("models", "/evals/runs", {"models": [f"m{n}" for n in range(21)]}, 400, "too_many_models"),
    ("model_id", "/evals/runs", {"models": ["m" * 256]}, 400, "invalid_value"),
    ("model_id_text", "/evals/runs", {"models": ["é"]}, 400, "invalid_value"),
    (
        "task_ids",
        "/evals/runs",
        {"task_ids": [f"t{n}" for n in range(101)]},
        400,
        "too_many_task_ids",
    ),
    (
        "labels",
        "/evals/runs",
        {"metadata": {str(n): "" for n in range(65)}},
        400,
        "invalid_metadata",
    ),
    ("label_key", "/evals/suites", {"metadata": {"k" * 65: ""}}, 400, "invalid_metadata"),
    ("label_value", "/evals/suites", {"metadata": {"k": "v" * 513}}, 400, "invalid_metadata"),
    ("concurrency", "/evals/runs", {"concurrency": 26}, 400, "invalid_concurrency"),
    ("fine_concurrency", "/evals/runs", {"grader_concurrency": 1001}, 400, "invalid_concurrency"),
    (
        "generation",
        "/evals/runs",
        {"generation": {"extra_body": nested(24)}},
        400,
        "invalid_generation",
    ),
    ("depth", "/evals/runs", {"generation": {"extra_body": nested(63)}}, 400, "invalid_json"),
    (
        "integer",
        "/evals/runs",
        {"generation": {"extra_body": {"n": 2**63}}},
        400,
        "invalid_json",
    ),
    ("values", "/evals/suites", {"manifest": {"tasks": [{}] * 100_000}}, 400, "invalid_json"),
    ("body", "/evals/runs", {"suite_id": "x" * 256 * 1024}, 400, "body_too_large"),
    (
        "manifest_body",
        "/evals/suites",
        {"manifest": {"x": "y" * 5 * 1024 * 1024}},
        400,
        "body_too_large",
    ),
    ("name", "/evals/suites", {"name": "n" * 256}, 400, "invalid_value"),
    ("description", "/evals/suites", {"description": "d" * 10_001}, 400, "invalid_value"),
]
QUERIES: list[tuple[str, str]] = [
    ("/evals/runs?limit=101", "invalid_parameter"),
    ("/evals/suites?limit=101", "invalid_parameter"),
    ("/evals/runs/r/samples?limit=501", "invalid_parameter"),
    ("/files?limit=10001", "invalid_parameter"),
    (f"/evals/runs/r/samples?sample_index={','.join(['1'] * 501)}", "invalid_parameter"),
    ("/files?limt=1", "unknown_parameter"),
]


@pytest.mark.parametrize(
    ("path", "change", "status", "reason"),
    [body[1:] for body in BODIES],
    ids=[body[0] for body in BODIES],
)
async def test_one_above_a_limit_of_a_body_is_refused(
    client: httpx.AsyncClient, path: str, change: dict[str, Any], status: int, reason: str
) -> None:
    answer = await client.post(path, json=(RUN if path == "/evals/runs" else SUITE) | change)

    assert (answer.status_code, answer.json()["error"]["reason"]) == (status, reason)


@pytest.mark.parametrize(("path", "reason"), QUERIES)
async def test_one_above_a_limit_of_a_query_is_refused(
    client: httpx.AsyncClient, path: str, reason: str
) -> None:
    answer = await client.get(path)

    assert (answer.status_code, answer.json()["error"]["reason"]) == (400, reason)


async def test_one_above_a_limit_of_files_and_callers_is_refused(client: httpx.AsyncClient) -> None:
    form = {"purpose": "evals"}
    long_name = await client.post("/files", data=form, files={"file": ("f" * 252 + ".csv", b"")})
    too_large = await client.post("/files", data=form, files={"file": ("f", b"x" * 4 * 2**20)})
    caller = await client.get("/files", headers={"X-On-Behalf-Of": "x" * 256})

    assert long_name.json()["error"]["reason"] == "invalid_filename"
    assert too_large.json()["error"]["reason"] == "file_too_large"
    assert caller.json()["error"]["reason"] == "on_behalf_of_invalid"


def test_the_page_names_every_reason_that_is_tried_here() -> None:
    tried = {body[4] for body in BODIES} | {reason for _, reason in QUERIES}

    assert tried - _named_reasons() == set()


def test_the_page_names_no_reason_that_nobody_tries() -> None:
    texts = "\n".join(path.read_text() for path in TESTS.rglob("*.py")).lower()

    assert _named_reasons() - set(re.findall(r"[a-z]+_[a-z_]+", texts)) == set()


def _named_reasons() -> set[str]:
    table = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return {
        word for line in table for word in re.findall(r"`([a-z]+_[a-z_]+)`", line.split("|")[3])
    }
