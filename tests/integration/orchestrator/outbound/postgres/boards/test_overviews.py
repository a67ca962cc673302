from fractions import Fraction

import pytest

from integration.orchestrator.outbound.postgres.boards.ended_runs import (
    add_run,
    add_sample,
    new_suite,
)
from integration.orchestrator.outbound.postgres.stores import CALLER, opened
from orchestrator.domain.boards.overview import SampleCounts
from orchestrator.domain.metrics import ScoreSum
from orchestrator.domain.run import RunNotFound
from orchestrator.domain.tokens import NO_TOKENS
from orchestrator.outbound.postgres.boards.store import PostgresBoards
from servicekit.caller import Caller

_SUPERSEDED = "INSERT INTO superseded_samples VALUES ($1::uuid, $2, $3, '{}')"


async def test_a_run_is_added_up_from_its_samples(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await add_run(stores, await new_suite(stores), agent_name="ada", cost_usd=9.0)
        again = await add_sample(stores, run_id, 0, scores={"reward": 1}, cost_usd=0.5)
        await add_sample(stores, run_id, 1, scores={"reward": 0, "other": 7}, input_tokens=5)
        await add_sample(stores, run_id, 2, scores={"reward": 1}, error_code="agent_timeout")
        await add_sample(stores, run_id, 3, state="failed")
        await add_sample(stores, run_id, 4, state="queued")
        for edition in (0, 1):
            await stores.execute(_SUPERSEDED, again, edition, run_id)

        overview = await PostgresBoards(stores.database).overview(CALLER, run_id, metric="reward")

        assert overview.run.id == run_id
        assert overview.counts == SampleCounts(total=5, completed=3, failed=1, errored=2, retried=1)
        assert overview.scores == ScoreSum(total=Fraction(2), count=3)
        assert overview.cost_usd == 0.5
        assert (overview.tokens.input, overview.tokens.output) == (5, None)


async def test_a_run_without_samples_has_zero_trials_and_no_figures(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await add_run(stores, await new_suite(stores), state="queued")

        overview = await PostgresBoards(stores.database).overview(CALLER, run_id, metric="reward")

        assert overview.counts == SampleCounts(total=0, completed=0, failed=0, errored=0, retried=0)
        assert overview.scores.count == 0
        assert (overview.cost_usd, overview.tokens) == (None, NO_TOKENS)


async def test_another_teams_run_has_no_overview(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as stores:
        run_id = await add_run(stores, await new_suite(stores))

        with pytest.raises(RunNotFound):
            await PostgresBoards(stores.database).overview(
                Caller(org_id="org", team_id="other"), run_id, metric="reward"
            )
