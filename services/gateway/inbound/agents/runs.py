"""POST /evals/imports/agent-run and /evals/runs/{run_id}/trials."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import orjson
from fastapi import APIRouter, Depends
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.domain.scopes import Scope
from gateway.inbound.agents.trial_body import (
    AgentTrial,
    AppendAgentTrialsBody,
    ImportAgentRunBody,
)
from gateway.inbound.resources.runs import RunObject, run_object
from gateway.inbound.rest.access import Access, CurrentCaller
from gateway.inbound.rest.asking import WRITE_S, ask
from gateway.inbound.rest.bodies import MANIFEST_BODY_BYTES_MAX, described_body, json_body
from gateway.inbound.rest.operations import Operation, router_of
from proctor.common.v1.usage_pb2 import TokenUsage
from proctor.runs.v1 import agent_run_service_pb2 as pb
from proctor.runs.v1 import sample_pb2

if TYPE_CHECKING:  # these classes are in the stubs only
    from proctor.runs.v1.agent_run_service_pb2_grpc import AgentRunServiceAsyncStub

# As much as any JSON body may have.
TRIALS_BODY_BYTES_MAX = MANIFEST_BODY_BYTES_MAX

_TRIAL = {
    "task_id": "fix-the-parser",
    "sample_index": 0,
    "scores": {"reward": 1},
    "cost_usd": 0.31,
    "input_tokens": 81234,
    "output_tokens": 5120,
    "phase_timings": {
        "agent_execution": {
            "started_at": "2026-09-21T14:13:20Z",
            "finished_at": "2026-09-21T14:19:02Z",
        }
    },
}
_IMPORT_BODY = described_body(
    ImportAgentRunBody,
    {
        "suite_id": "eval_suite_0123456789abcdef0123456789abcdef",
        "agent_name": "omp",
        "agent_version": "1.4.0",
        "agent_effort": "medium",
        "model": "model-a",
        "idempotency_key": "job-2026-09-21",
        "trials": [_TRIAL],
    },
)
_APPEND_BODY = described_body(AppendAgentTrialsBody, {"trials": [_TRIAL], "finalize": True})


class AgentRunRoutes:
    """Operations that record runs of agents, answered by the agent run service.

    None is called off when the client hangs up: a client that gave up waiting asks again.
    """

    def __init__(self, agent_runs: "AgentRunServiceAsyncStub", access: Access) -> None:
        self._agent_runs = agent_runs
        self._access = access

    def router(self) -> APIRouter:
        """The routes with their documentation."""
        operations = (
            Operation(
                id="importAgentEvalRun",
                method="POST",
                path="/evals/imports/agent-run",
                endpoint=self.import_run,
                scope=Scope.WRITE_EVALS,
                answer=RunObject,
                body=_IMPORT_BODY,
                errors=(404, 409),
            ),
            Operation(
                id="appendAgentEvalTrials",
                method="POST",
                path="/evals/runs/{run_id}/trials",
                endpoint=self.append_trials,
                scope=Scope.WRITE_EVALS,
                answer=RunObject,
                body=_APPEND_BODY,
                errors=(404, 409),
            ),
        )
        return router_of("agents", operations, self._access)

    async def import_run(
        self,
        caller: CurrentCaller,
        body: Annotated[
            ImportAgentRunBody,
            Depends(json_body(ImportAgentRunBody, bytes_max=TRIALS_BODY_BYTES_MAX)),
        ],
    ) -> RunObject:
        """Record a run of an agent.

        Nothing is executed: the run has the trials that are sent, and its metrics, tokens and cost
        are worked out from them. It is completed at once, or stays `in_progress` for further trials
        with `finalize` false. Every task must be in the suite version; trials of all of them make
        `task_ids` null. A repeated `idempotency_key` answers the run that it recorded first, and is
        refused with `idempotency_key_reused` when anything else is different.
        """
        question = _import_request(body)
        answer = await ask(caller, self._agent_runs.ImportAgentRun, question, timeout_s=WRITE_S)
        return run_object(answer.run, {})

    async def append_trials(
        self,
        caller: CurrentCaller,
        run_id: str,
        body: Annotated[
            AppendAgentTrialsBody,
            Depends(json_body(AppendAgentTrialsBody, bytes_max=TRIALS_BODY_BYTES_MAX)),
        ],
    ) -> RunObject:
        """Add trials to an open run of an agent.

        A trial replaces the one with the same task and index, so a batch may be sent again. Counts,
        metrics, tokens and cost are worked out from all stored trials. `finalize` completes the
        run. A run that was completed or cancelled is refused with `run_not_open`, an executed one
        with `run_not_recorded`.
        """
        question = pb.AppendAgentTrialsRequest(
            run_id=run_id, trials=_trials(body.trials), finalize=body.finalize
        )
        answer = await ask(caller, self._agent_runs.AppendAgentTrials, question, timeout_s=WRITE_S)
        return run_object(answer.run, {})


def _import_request(body: ImportAgentRunBody) -> pb.ImportAgentRunRequest:
    timed = body.created_at is not None
    return pb.ImportAgentRunRequest(
        suite_id=body.suite_id,
        suite_version=body.suite_version,
        agent_name=body.agent_name,
        agent_version=body.agent_version,
        agent_effort=body.agent_effort,
        model=body.model,
        cost_usd=body.cost_usd,
        create_time=Timestamp(seconds=body.created_at) if timed else None,
        metadata=body.metadata,
        idempotency_key=body.idempotency_key or "",
        trials=_trials(body.trials),
        expected_trials=body.expected_trials,
        finalize=body.finalize,
    )


def _trials(trials: Iterable[AgentTrial]) -> Iterator[pb.AgentTrial]:
    for position, trial in enumerate(trials):
        index = position if trial.sample_index is None else trial.sample_index
        yield _trial(trial, index)


def _trial(trial: AgentTrial, sample_index: int) -> pb.AgentTrial:
    failed = trial.status == "failed"
    return pb.AgentTrial(
        task_id=trial.task_id,
        sample_index=sample_index,
        state=sample_pb2.SAMPLE_STATE_FAILED if failed else sample_pb2.SAMPLE_STATE_COMPLETED,
        prompt=trial.prompt,
        target=trial.target,
        output_text=trial.output_text,
        scores_json=orjson.dumps(trial.scores),
        error_json=b"" if trial.error is None else orjson.dumps(trial.error),
        cost_usd=trial.cost_usd,
        tokens=TokenUsage(
            input_tokens=trial.input_tokens,
            output_tokens=trial.output_tokens,
            cached_tokens=trial.cached_tokens,
            reasoning_tokens=trial.reasoning_tokens,
        ),
        phase_timings_json=(
            b"" if trial.phase_timings is None else orjson.dumps(trial.phase_timings)
        ),
    )
