"""AgentRunService over gRPC."""

from datetime import UTC

import orjson

from orchestrator.domain.agents.record import AgentRunDraft
from orchestrator.domain.agents.trial import Trial
from orchestrator.domain.run import Agent
from orchestrator.domain.sample import SampleState
from orchestrator.domain.tokens import Tokens
from orchestrator.inbound.run_wire import run_from
from orchestrator.usecases.agents.append_trials import AppendTrials
from orchestrator.usecases.agents.record_run import RecordRun
from proctor.common.v1.usage_pb2 import TokenUsage
from proctor.runs.v1 import agent_run_service_pb2 as pb
from proctor.runs.v1 import sample_pb2
from proctor.runs.v1.agent_run_service_pb2_grpc import AgentRunServiceServicer
from servicekit.caller import current_caller


class AgentRunsRpc(AgentRunServiceServicer):
    """Runs of agents, recorded."""

    def __init__(self, record_run: RecordRun, append_trials: AppendTrials) -> None:
        self._record_run = record_run
        self._append_trials = append_trials

    async def ImportAgentRun(
        self, request: pb.ImportAgentRunRequest, _context: object
    ) -> pb.ImportAgentRunResponse:
        """Record a run."""
        run = await self._record_run(current_caller(), _draft(request))
        return pb.ImportAgentRunResponse(run=run_from(run))

    async def AppendAgentTrials(
        self, request: pb.AppendAgentTrialsRequest, _context: object
    ) -> pb.AppendAgentTrialsResponse:
        """Add trials to an open run."""
        trials = [_trial(trial) for trial in request.trials]
        run = await self._append_trials(
            current_caller(), request.run_id, trials, finalize=request.finalize
        )
        return pb.AppendAgentTrialsResponse(run=run_from(run))


def _draft(request: pb.ImportAgentRunRequest) -> AgentRunDraft:
    timed = request.HasField("create_time")
    expected = request.HasField("expected_trials")
    return AgentRunDraft(
        suite_id=request.suite_id,
        suite_version=request.suite_version if request.HasField("suite_version") else None,
        agent=Agent(
            name=request.agent_name,
            version=request.agent_version if request.HasField("agent_version") else None,
            effort=request.agent_effort if request.HasField("agent_effort") else None,
        ),
        model=request.model,
        cost_usd=request.cost_usd if request.HasField("cost_usd") else None,
        created_at=request.create_time.ToDatetime(UTC) if timed else None,
        metadata=dict(request.metadata),
        idempotency_key=request.idempotency_key,
        trials=[_trial(trial) for trial in request.trials],
        expected_trials=request.expected_trials if expected else None,
        finalize=request.finalize,
    )


def _trial(trial: pb.AgentTrial) -> Trial:
    failed = trial.state == sample_pb2.SAMPLE_STATE_FAILED
    return Trial(
        task_id=trial.task_id,
        sample_index=trial.sample_index,
        state=SampleState.FAILED if failed else SampleState.COMPLETED,
        prompt=trial.prompt,
        target=trial.target if trial.HasField("target") else None,
        output_text=trial.output_text if trial.HasField("output_text") else None,
        scores=orjson.loads(trial.scores_json or b"{}"),
        error_json=trial.error_json,
        cost_usd=trial.cost_usd if trial.HasField("cost_usd") else None,
        tokens=_tokens(trial.tokens),
        phase_timings_json=trial.phase_timings_json,
    )


def _tokens(usage: TokenUsage) -> Tokens:
    return Tokens(
        input=usage.input_tokens if usage.HasField("input_tokens") else None,
        output=usage.output_tokens if usage.HasField("output_tokens") else None,
        cached=usage.cached_tokens if usage.HasField("cached_tokens") else None,
        reasoning=usage.reasoning_tokens if usage.HasField("reasoning_tokens") else None,
    )
