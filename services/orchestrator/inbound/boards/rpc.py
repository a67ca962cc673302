"""BoardService over gRPC."""

from orchestrator.domain.boards.agents import BoardFilter, board
from orchestrator.domain.boards.ranking import RankingFilter
from orchestrator.inbound.boards.board_wire import overview_from, place_from, row_from
from orchestrator.inbound.run_wire import run_from
from orchestrator.ports.boards import Boards
from orchestrator.usecases.token_counting.measure_suite import MeasureSuite
from proctor.boards.v1 import board_service_pb2 as pb
from proctor.boards.v1.board_service_pb2_grpc import BoardServiceServicer
from servicekit.caller import current_caller

_PER_GROUP_MAX = 50
_ROWS_MAX = 500
_MEASURED_RUNS_MAX = 100


class BoardsRpc(BoardServiceServicer):
    """Overviews, leaderboards, and the figures that they lack."""

    def __init__(self, boards: Boards, *, measure_suite: MeasureSuite) -> None:
        self._boards = boards
        self._measure_suite = measure_suite

    async def GetRunOverview(
        self, request: pb.GetRunOverviewRequest, _context: object
    ) -> pb.GetRunOverviewResponse:
        """Add up the samples of one run."""
        caller = current_caller()
        found = await self._boards.overview(caller, request.run_id, metric=request.metric)
        return overview_from(found)

    async def ListLeaderboardRuns(
        self, request: pb.ListLeaderboardRunsRequest, _context: object
    ) -> pb.ListLeaderboardRunsResponse:
        """Rank the newest completed runs of a suite."""
        wanted = RankingFilter(
            suite_version=request.suite_version if request.HasField("suite_version") else None,
            model=request.model,
            per_group=min(max(request.per_group, 1), _PER_GROUP_MAX),
        )
        found = await self._boards.ranking(
            current_caller(), request.suite_id, wanted, cursor=request.cursor
        )
        return pb.ListLeaderboardRunsResponse(
            runs=[run_from(run) for run in found.runs],
            places=[place_from(place) for place in found.places],
            next_cursor=found.next_cursor,
        )

    async def GetLeaderboard(
        self, request: pb.GetLeaderboardRequest, _context: object
    ) -> pb.GetLeaderboardResponse:
        """Rank the agents of a suite."""
        wanted = BoardFilter(
            suite_version=request.suite_version if request.HasField("suite_version") else None,
            agent_name=request.agent_name,
            model=request.model,
            metric=request.metric,
        )
        runs = await self._boards.agent_runs(current_caller(), request.suite_id, wanted)
        rows = board(runs, limit=min(max(request.limit, 1), _ROWS_MAX))
        return pb.GetLeaderboardResponse(rows=[row_from(row) for row in rows])

    async def MeasureTokens(
        self, request: pb.MeasureTokensRequest, _context: object
    ) -> pb.MeasureTokensResponse:
        """Count the tokens of samples that nobody reported any for."""
        limit = min(max(request.limit, 1), _MEASURED_RUNS_MAX)
        done = await self._measure_suite(current_caller(), request.suite_id, limit=limit)
        return pb.MeasureTokensResponse(
            measured_runs=done.runs,
            measured_samples=done.samples,
            remaining_runs=done.remaining_runs,
        )
