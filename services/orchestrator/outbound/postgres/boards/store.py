"""Overviews and leaderboards, as the caller may see them."""

from collections.abc import Sequence

from orchestrator.domain.boards.agents import AgentRun, BoardFilter
from orchestrator.domain.boards.overview import Overview
from orchestrator.domain.boards.ranking import RUNS_MAX, Ranking, RankingFilter
from orchestrator.outbound.postgres.boards import agent_runs, overviews, rankings
from orchestrator.outbound.postgres.visibility import require_visible_suite, visible_run
from pgstore.database import Database
from servicekit.caller import Caller


class PostgresBoards:
    """Reads that go over many samples; each sees the tables as they are at one moment.

    Args:
        database: Where the tables are.
        runs_max: Most runs of one ranking.
    """

    def __init__(self, database: Database, *, runs_max: int = RUNS_MAX) -> None:
        self._database = database
        self._runs_max = runs_max

    async def overview(self, caller: Caller, run_id: str, *, metric: str) -> Overview:
        """Add up the samples of a run, or raise RunNotFound."""
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            run = await visible_run(connection, caller, run_id)
            return await overviews.read_overview(connection, run, metric)

    async def ranking(
        self, caller: Caller, suite_id: str, wanted: RankingFilter, *, cursor: str
    ) -> Ranking:
        """Rank the newest completed runs of a suite; see `ports.boards.Boards`."""
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await require_visible_suite(connection, caller, suite_id)
            return await rankings.read_ranking(
                connection, caller, suite_id, wanted, cursor=cursor, runs_max=self._runs_max
            )

    async def agent_runs(
        self, caller: Caller, suite_id: str, wanted: BoardFilter
    ) -> Sequence[AgentRun]:
        """Add up the completed runs of agents; see `ports.boards.Boards`."""
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await require_visible_suite(connection, caller, suite_id)
            return await agent_runs.read_agent_runs(connection, suite_id, wanted)
