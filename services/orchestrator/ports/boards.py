"""What the use cases need of tables to tell what runs and suites add up to."""

from collections.abc import Sequence
from typing import Protocol

from orchestrator.domain.boards.agents import AgentRun, BoardFilter
from orchestrator.domain.boards.overview import Overview
from orchestrator.domain.boards.ranking import Ranking, RankingFilter
from servicekit.caller import Caller


class Boards(Protocol):
    """Figures read from the rows of samples, as the caller may see them."""

    async def overview(self, caller: Caller, run_id: str, *, metric: str) -> Overview:
        """Add up the samples of a run, or raise RunNotFound."""
        ...

    async def ranking(
        self, caller: Caller, suite_id: str, wanted: RankingFilter, *, cursor: str
    ) -> Ranking:
        """Rank the newest completed runs of a suite, behind a cursor unless it is empty.

        Raises SuiteNotFound or CursorUnknown.
        """
        ...

    async def agent_runs(
        self, caller: Caller, suite_id: str, wanted: BoardFilter
    ) -> Sequence[AgentRun]:
        """Add up the completed runs of agents, one for each model of a run; SuiteNotFound."""
        ...
