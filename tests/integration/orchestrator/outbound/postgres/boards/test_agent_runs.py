from typing import Any

import pytest

from integration.orchestrator.outbound.postgres.boards.ended_runs import (
    add_run,
    add_sample,
    at,
    new_suite,
)
from integration.orchestrator.outbound.postgres.stores import CALLER, Stores, opened
from orchestrator.domain.boards.agents import AgentRun, BoardFilter
from orchestrator.domain.suite import SuiteNotFound
from orchestrator.domain.tokens import NO_TOKENS
from orchestrator.outbound.postgres.boards.store import PostgresBoards
from servicekit.caller import Caller

REWARD = BoardFilter(metric="reward")


async def the_run(stores: Stores, suite_id: str, wanted: BoardFilter = REWARD) -> AgentRun:
    """The one run of agents that the suite has."""
    (run,) = await PostgresBoards(stores.database).agent_runs(CALLER, suite_id, wanted)
    return run


async def test_a_run_of_an_agent_is_added_up_from_its_samples(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        run_id = await add_run(stores, suite_id, minute=3, agent_name="ada", agent_effort="high")
        await add_sample(
            stores,
            run_id,
            0,
            scores={"reward": 1},
            cost_usd=0.5,
            input_tokens=10,
            steps=4,
            agent_s=1.5,
        )
        await add_sample(
            stores, run_id, 1, scores={"reward": 0.5}, cost_usd=0.25, output_tokens=7, steps=2
        )
        await add_sample(stores, run_id, 2, scores={"reward": "no number"})
        await add_sample(stores, run_id, 3, state="failed", scores={"reward": 1.0}, agent_s=0.0)

        run = await the_run(stores, suite_id)

        assert (run.run_id, run.created_at, run.model) == (run_id, at(3), "model")
        assert (run.agent_name, run.agent_version, run.agent_effort) == ("ada", None, "high")
        assert (run.trials, run.failed, run.solved) == (4, 1, 2)
        assert (float(run.scores.total), run.scores.count) == (2.5, 3)
        assert (run.cost_usd, run.steps) == (0.75, 6)
        assert (run.tokens.input, run.tokens.output, run.tokens.cached) == (10, 7, None)
        assert (run.agent_s, run.timed) == (1.5, 2)


async def test_a_run_whose_samples_cost_nothing_known_costs_what_it_reported(
    postgres_dsn: str,
) -> None:
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        run_id = await add_run(stores, suite_id, agent_name="ada", cost_usd=2.5)
        await add_sample(stores, run_id)

        assert (await the_run(stores, suite_id)).cost_usd == 2.5


async def test_a_run_without_samples_has_no_figures(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        await add_run(stores, suite_id, agent_name="ada")

        run = await the_run(stores, suite_id)

        assert (run.trials, run.scores.count, run.cost_usd, run.steps) == (0, 0, None, None)
        assert run.tokens == NO_TOKENS
        assert (run.agent_s, run.timed) == (None, 0)


async def test_only_completed_runs_of_agents_that_are_asked_for_count(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)
        await add_run(stores, suite_id)
        await add_run(stores, suite_id, agent_name="ada", state="in_progress")
        await stores.changes.delete(CALLER, await add_run(stores, suite_id, agent_name="ada"))
        await add_run(stores, await new_suite(stores), agent_name="ada")
        ada = await add_run(stores, suite_id, agent_name="ada", models=["x"])
        eve = await add_run(stores, suite_id, agent_name="eve", models=["y"], version=2)
        boards = PostgresBoards(stores.database)

        async def ids(**wanted: Any) -> set[str]:
            asked = BoardFilter(metric="reward", **wanted)
            return {run.run_id for run in await boards.agent_runs(CALLER, suite_id, asked)}

        assert await ids() == {ada, eve}
        assert await ids(agent_name="eve") == {eve}
        assert await ids(model="x") == {ada}
        assert await ids(suite_version=2) == {eve}
        assert await ids(suite_version=2, model="x") == set()


async def test_another_teams_suite_has_no_board(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        suite_id = await new_suite(stores)

        with pytest.raises(SuiteNotFound):
            await PostgresBoards(stores.database).agent_runs(
                Caller(org_id="org", team_id="other"), suite_id, REWARD
            )
