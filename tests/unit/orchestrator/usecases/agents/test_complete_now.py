import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.domain.metrics import Counts
from orchestrator.domain.run import Agent, Run, RunOrigin, RunRequest
from orchestrator.domain.run_states import RunState
from orchestrator.domain.tokens import NO_TOKENS
from orchestrator.usecases.agents import complete_now
from orchestrator.usecases.agents.complete_now import CompleteNow
from servicekit.caller import Caller

NOW = datetime(2026, 9, 21, tzinfo=UTC)
CALLER = Caller(org_id="org", team_id="team")
RUN = Run(
    id="eval_run_1",
    org_id="org",
    team_id="team",
    on_behalf_of="",
    suite_id="eval_suite_1",
    suite_version=1,
    suite_version_id="eval_sver_1",
    state=RunState.FINALIZING,
    request=RunRequest(
        models=["m"],
        task_ids=None,
        judge_model=None,
        embedding_model=None,
        generation_json=b"{}",
        generation_concurrency=4,
        grader_concurrency=2,
        max_samples_per_task=None,
        metadata={},
    ),
    counts=Counts(),
    metrics_json=b"",
    error=None,
    result_file_id=None,
    samples_file_id=None,
    edition=0,
    tokens=NO_TOKENS,
    created_at=NOW,
    started_at=NOW,
    ended_at=None,
    origin=RunOrigin.AGENT,
    agent=Agent(name="omp"),
)


@dataclass
class House:
    """A store with one run, a worker's queue, and what finalises runs."""

    run: Run = RUN
    trouble: Exception | None = None
    handed_over: list[str] = field(default_factory=list)

    async def finalize(self, run_id: str) -> None:
        assert run_id == self.run.id
        if self.trouble is not None:
            raise self.trouble
        self.run = replace(self.run, state=RunState.COMPLETED, ended_at=NOW)

    async def get(self, caller: Caller, run_id: str) -> Run:
        assert (caller, run_id) == (CALLER, self.run.id)
        return self.run

    async def hand_over(self, run_id: str) -> None:
        self.handed_over.append(run_id)

    def complete_now(self) -> CompleteNow:
        store: Any = self
        return CompleteNow(store, store, self.finalize)


async def test_a_run_that_is_finalizing_is_completed() -> None:
    house = House()

    assert (await house.complete_now()(CALLER, house.run)).state is RunState.COMPLETED
    assert house.handed_over == []


async def test_an_open_run_stays_open() -> None:
    house = House(replace(RUN, state=RunState.IN_PROGRESS))

    assert await house.complete_now()(CALLER, house.run) is house.run
    assert house.run.state is RunState.IN_PROGRESS


async def test_trouble_is_no_error_of_the_report_and_a_worker_goes_on() -> None:
    house = House(trouble=OSError("the disk is full"))

    assert (await house.complete_now()(CALLER, house.run)).state is RunState.FINALIZING
    assert house.handed_over == [RUN.id]


async def test_nobody_waits_longer_than_the_published_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(complete_now, "_PATIENCE_S", 0)
    house = House()

    async def never(run_id: str) -> None:
        del run_id
        await asyncio.sleep(3_600)

    store: Any = house
    assert await CompleteNow(store, store, never)(CALLER, house.run) is house.run
    assert house.handed_over == [RUN.id]
