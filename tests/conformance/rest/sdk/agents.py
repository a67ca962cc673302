"""What the tests of recorded runs share: suites to report into, and refusals."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from meetkai_mka1 import errors

from conformance.rest.teams import Team
from e2e.work import sums, task

Json = dict[str, Any]

TASKS = ("fix", "write")
NO_RUN = f"eval_run_{'0' * 32}"
NO_SUITE = f"eval_suite_{'0' * 32}"


def new_suite(team: Team, *task_ids: str) -> str:
    """Id of a suite with these tasks; what they ask for is never looked at."""
    file_id = team.upload(*sums(1))
    tasks = [{**task(file_id), "id": task_id} for task_id in task_ids or TASKS]
    answer = team.http.post(
        "/api/v1/llm/evals/suites", json={"name": "agents", "manifest": {"tasks": tasks}}
    )
    return str(answer.raise_for_status().json()["id"])


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[int, str, str | None]:
    """Status, reason and param of a refusal."""
    with pytest.raises(errors.SDKDefaultError) as caught:
        call(**arguments)
    error = json.loads(caught.value.body)["error"]
    assert error["code"] == caught.value.status_code
    return caught.value.status_code, error["reason"], error["param"]
