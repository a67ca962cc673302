from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orchestrator.domain.metrics import Counts
from orchestrator.domain.run import Run, RunNotFound, RunRequest, UnknownSuiteVersion
from orchestrator.domain.run_states import RunState
from orchestrator.domain.tokens import NO_TOKENS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = RunRequest(
    models=["model"],
    task_ids=None,
    judge_model=None,
    embedding_model=None,
    generation_json=b"{}",
    generation_concurrency=4,
    grader_concurrency=2,
    max_samples_per_task=None,
    metadata={},
)
RUN = Run(
    id="eval_run_0",
    org_id="org",
    team_id="team",
    on_behalf_of="",
    suite_id="eval_suite_0",
    suite_version=1,
    suite_version_id="eval_sver_0",
    state=RunState.QUEUED,
    request=REQUEST,
    counts=Counts(),
    metrics_json=b"",
    error=None,
    result_file_id=None,
    samples_file_id=None,
    edition=0,
    tokens=NO_TOKENS,
    created_at=NOW,
    started_at=None,
    ended_at=None,
)


def test_an_unfinished_run_has_no_artifacts() -> None:
    assert RUN.artifact_file_ids == []


def test_a_finished_run_lists_results_before_samples() -> None:
    done = replace(
        RUN,
        state=RunState.COMPLETED,
        ended_at=NOW,
        samples_file_id="samples",
        result_file_id="results",
    )

    assert done.artifact_file_ids == ["results", "samples"]


def test_a_run_has_ended_when_and_only_when_it_has_an_end() -> None:
    with pytest.raises(AssertionError):
        replace(RUN, state=RunState.FAILED)
    with pytest.raises(AssertionError):
        replace(RUN, ended_at=NOW)


def test_what_is_not_found_is_named() -> None:
    assert RunNotFound("r").metadata == {"run_id": "r"}
    assert UnknownSuiteVersion("s", 3).metadata == {
        "param": "suite_version",
        "suite_id": "s",
        "version": "3",
    }
