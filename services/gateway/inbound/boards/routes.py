"""What runs and suites add up to: overviews, leaderboards, measured tokens."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from gateway.domain.scopes import Scope
from gateway.inbound.resources.boards import (
    Leaderboard,
    LeaderboardRuns,
    RunOverview,
    TokenMeasurement,
    leaderboard_row,
    leaderboard_runs,
    run_overview,
)
from gateway.inbound.rest.access import Access, CurrentCaller
from gateway.inbound.rest.asking import WRITE_S, ask
from gateway.inbound.rest.bodies import described_body, json_body
from gateway.inbound.rest.operations import Operation, router_of
from gateway.inbound.suites import ORDINAL_MAX
from gateway.ports import GraderUsage
from manifest.section import Section
from proctor.boards.v1 import board_service_pb2 as pb

if TYPE_CHECKING:  # these classes are in the stubs only
    from proctor.boards.v1.board_service_pb2_grpc import BoardServiceAsyncStub

_CURSOR_CHARS_MAX = 2048
_MEASURED_RUNS = 5

SuiteVersion = Annotated[
    int | None, Query(ge=1, le=ORDINAL_MAX, description="Only runs of this version.")
]
Metric = Annotated[
    str, Query(min_length=1, max_length=255, description="Key in `scores` that is averaged.")
]
Model = Annotated[str | None, Query(max_length=255, description="Only this model.")]


class MeasureTokensBody(Section):
    """How much to measure."""

    limit: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=_MEASURED_RUNS, description="Most runs to measure in this call."
    )


class BoardRoutes:
    """Operations on what runs and suites add up to, answered by the board service."""

    def __init__(
        self, boards: "BoardServiceAsyncStub", access: Access, grader_usage: GraderUsage
    ) -> None:
        self._boards = boards
        self._access = access
        self._grader_usage = grader_usage

    def router(self) -> APIRouter:
        """The routes with their documentation."""
        suite = "/evals/suites/{suite_id}"
        operations = (
            Operation(
                id="getEvalRunOverview",
                method="GET",
                path="/evals/runs/{run_id}/overview",
                endpoint=self.get_overview,
                scope=Scope.READ_EVALS,
                answer=RunOverview,
                errors=(404,),
            ),
            Operation(
                id="listEvalSuiteLeaderboardRuns",
                method="GET",
                path=f"{suite}/leaderboard-runs",
                endpoint=self.list_runs,
                scope=Scope.READ_EVALS,
                answer=LeaderboardRuns,
                errors=(404,),
            ),
            Operation(
                id="getEvalSuiteLeaderboard",
                method="GET",
                path=f"{suite}/leaderboard",
                endpoint=self.get_leaderboard,
                scope=Scope.READ_EVALS,
                answer=Leaderboard,
                errors=(404,),
            ),
            Operation(
                id="measureEvalSuiteTokens",
                method="POST",
                path=f"{suite}/tokens/measure",
                endpoint=self.measure_tokens,
                scope=Scope.WRITE_EVALS,
                answer=TokenMeasurement,
                body=described_body(MeasureTokensBody, {"limit": 5}),
                errors=(404,),
            ),
        )
        return router_of("leaderboards", operations, self._access)

    async def get_overview(
        self, caller: CurrentCaller, run_id: str, metric: Metric = "reward"
    ) -> RunOverview:
        """Add up the samples of a run.

        At any time; figures of an unfinished run grow. This reads every sample: to poll a run, get
        it.
        """
        question = pb.GetRunOverviewRequest(run_id=run_id, metric=metric)
        answer = await ask(caller, self._boards.GetRunOverview, question)
        return run_overview(run_id, metric, answer)

    async def list_runs(
        self,
        caller: CurrentCaller,
        suite_id: str,
        suite_version: SuiteVersion = None,
        per_group: Annotated[
            int, Query(ge=1, le=50, description="Most runs of a group, the newest.")
        ] = 5,
        model: Model = None,
        cursor: Annotated[
            str | None,
            Query(max_length=_CURSOR_CHARS_MAX, description="`next_cursor` of the answer before."),
        ] = None,
    ) -> LeaderboardRuns:
        """Rank the newest completed runs of a suite.

        A run of every task ranks in one group for each of its models, a run of some tasks in one
        for each model and task. An answer has at most 200 runs, in the order of their best ranks.
        """
        question = pb.ListLeaderboardRunsRequest(
            suite_id=suite_id,
            suite_version=suite_version,
            per_group=per_group,
            model=model or "",
            cursor=cursor or "",
        )
        answer = await ask(caller, self._boards.ListLeaderboardRuns, question)
        usage = await self._grader_usage.of_runs([run.run_id for run in answer.runs])
        return leaderboard_runs(answer, usage)

    async def get_leaderboard(
        self,
        caller: CurrentCaller,
        suite_id: str,
        suite_version: SuiteVersion = None,
        metric: Metric = "reward",
        agent: Annotated[str | None, Query(max_length=255, description="Only this agent.")] = None,
        model: Model = None,
        limit: Annotated[int, Query(ge=1, le=500, description="Most rows.")] = 100,
    ) -> Leaderboard:
        """Rank the agents of a suite.

        One row for each agent, model and effort, from completed runs that name an agent. Name a
        version when the suite has several, or rows mix different tasks.
        """
        question = pb.GetLeaderboardRequest(
            suite_id=suite_id,
            suite_version=suite_version,
            metric=metric,
            agent_name=agent or "",
            model=model or "",
            limit=limit,
        )
        answer = await ask(caller, self._boards.GetLeaderboard, question)
        return Leaderboard(
            suite_id=suite_id,
            suite_version=suite_version,
            metric=metric,
            data=[leaderboard_row(row) for row in answer.rows],
        )

    async def measure_tokens(
        self,
        caller: CurrentCaller,
        suite_id: str,
        body: Annotated[MeasureTokensBody, Depends(json_body(MeasureTokensBody))],
    ) -> TokenMeasurement:
        """Count the tokens of samples that nobody reported any for.

        Of completed runs, oldest first, from the stored texts and with the tokenizer o200k_base;
        refreshes the sums of the runs. Stops after a few seconds, too: call again until
        `remaining_runs` is 0.
        """
        question = pb.MeasureTokensRequest(suite_id=suite_id, limit=body.limit or _MEASURED_RUNS)
        answer = await ask(caller, self._boards.MeasureTokens, question, timeout_s=WRITE_S)
        return TokenMeasurement(
            suite_id=suite_id,
            measured_runs=answer.measured_runs,
            measured_samples=answer.measured_samples,
            remaining_runs=answer.remaining_runs,
        )
