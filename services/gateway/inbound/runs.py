"""The collection /evals/runs: start, list and get runs, and what they left."""

from typing import TYPE_CHECKING, Annotated

import orjson
from fastapi import APIRouter, Depends, Header, Query, Request

from gateway.domain.scopes import Scope
from gateway.inbound.resources.runs import (
    ArtifactsObject,
    RunList,
    RunObject,
    RunStatusFilter,
    artifacts_object,
    run_object,
    run_state,
)
from gateway.inbound.rest.access import Access, CurrentCaller
from gateway.inbound.rest.asking import ask, ask_while_connected
from gateway.inbound.rest.bodies import described_body, json_body
from gateway.inbound.rest.operations import Operation, router_of
from gateway.inbound.rest.paging import LIMIT_DEFAULT, After, Limit, OwnedOnly, page_request
from gateway.inbound.run_body import CreateRunBody
from gateway.inbound.suites import ORDINAL_MAX
from gateway.ports import GraderUsage
from gateway.usecases.admit_run import AdmitRun
from proctor.runs.v1 import run_pb2
from proctor.runs.v1 import run_service_pb2 as pb
from servicekit.errors import Kind, ServiceError

if TYPE_CHECKING:  # these classes are in the stubs only
    from proctor.runs.v1.run_service_pb2_grpc import RunServiceAsyncStub

_RUN_BODY = described_body(
    CreateRunBody,
    {
        "suite_id": "eval_suite_0123456789abcdef0123456789abcdef",
        "models": ["model-a", "model-b"],
        "generation": {"temperature": 0, "max_output_tokens": 256},
        "generation_concurrency": 8,
        "max_samples_per_task": 20,
    },
)


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Any text of the caller's that is new for each run it means to start.",
    ),
]


class VersionWithoutSuite(ServiceError):
    """Runs were asked for by a version, but a version means something only within its suite."""

    kind = Kind.INVALID_ARGUMENT
    reason = "SUITE_VERSION_WITHOUT_SUITE"


class RunRoutes:
    """Operations on runs, answered by the run service."""

    def __init__(
        self,
        runs: "RunServiceAsyncStub",
        access: Access,
        admit_run: AdmitRun,
        grader_usage: GraderUsage,
    ) -> None:
        self._runs = runs
        self._access = access
        self._admit_run = admit_run
        self._grader_usage = grader_usage

    def router(self) -> APIRouter:
        """The routes with their documentation."""
        collection, one = "/evals/runs", "/evals/runs/{run_id}"
        operations = (
            Operation(
                id="createEvalRun",
                method="POST",
                path=collection,
                endpoint=self.create,
                scope=Scope.WRITE_EVALS,
                answer=RunObject,
                body=_RUN_BODY,
                errors=(404, 409),
            ),
            Operation(
                id="listEvalRuns",
                method="GET",
                path=collection,
                endpoint=self.list_runs,
                scope=Scope.READ_EVALS,
                answer=RunList,
            ),
            Operation(
                id="getEvalRun",
                method="GET",
                path=one,
                endpoint=self.get,
                scope=Scope.READ_EVALS,
                answer=RunObject,
                errors=(404,),
            ),
            Operation(
                id="getEvalArtifacts",
                method="GET",
                path=f"{one}/artifacts",
                endpoint=self.get_artifacts,
                scope=Scope.READ_EVALS,
                answer=ArtifactsObject,
                errors=(404,),
            ),
        )
        return router_of("runs", operations, self._access)

    async def create(
        self,
        request: Request,
        caller: CurrentCaller,
        body: Annotated[CreateRunBody, Depends(json_body(CreateRunBody))],
        idempotency_key: IdempotencyKey = None,
    ) -> RunObject:
        """Start a run.

        Answers at once with a queued run; poll it. Model ids are not checked here: an unknown one
        makes its samples fail. With an `Idempotency-Key` a repetition starts nothing and answers
        with the run as it is now, for as long as the run exists; the same key with another body is
        refused with `idempotency_key_reused`.
        """
        admitted = self._admit_run(
            caller,
            candidates=body.models,
            judge=body.judge_model,
            embedding=body.embedding_model,
            idempotency_key=idempotency_key,
        )
        question = _create_request(body, admitted.run_id, admitted.run_token)
        answer = await ask_while_connected(request, caller, self._runs.CreateRun, question)
        # A repetition may find a run that is at work.
        usage = await self._grader_usage.of_runs([admitted.run_id]) if idempotency_key else {}
        return run_object(answer.run, usage.get(admitted.run_id, {}))

    async def list_runs(
        self,
        caller: CurrentCaller,
        after: After = None,
        limit: Limit = LIMIT_DEFAULT,
        suite_id: Annotated[str | None, Query(max_length=255)] = None,
        suite_version: Annotated[
            int | None, Query(ge=1, le=ORDINAL_MAX, description="Needs `suite_id`.")
        ] = None,
        status: RunStatusFilter | None = None,
        owned_only: OwnedOnly = False,  # noqa: FBT002 -- a query parameter
    ) -> RunList:
        """List the runs that the team sees, newest first.

        Those of its own suites, and of suites that are shared with its organisation.
        """
        if suite_version is not None and not suite_id:
            raise VersionWithoutSuite("suite_version needs `suite_id`", param="suite_version")
        question = pb.ListRunsRequest(
            page=page_request(after, limit),
            suite_id=suite_id or "",
            suite_version=suite_version,
            state=run_state(status) if status else run_pb2.RUN_STATE_UNSPECIFIED,
            owned_only=owned_only,
        )
        answer = await ask(caller, self._runs.ListRuns, question)
        usage = await self._grader_usage.of_runs([run.run_id for run in answer.runs])
        runs = [run_object(run, usage.get(run.run_id, {})) for run in answer.runs]
        return RunList.of(runs, has_more=answer.page.has_more)

    async def get(self, caller: CurrentCaller, run_id: str) -> RunObject:
        """Get a run.

        This is the operation to poll.
        """
        answer = await ask(caller, self._runs.GetRun, pb.GetRunRequest(run_id=run_id))
        # After the run, not at once with it: it is complete before its run is done, so what is read
        # later than a finished run is all there is.
        usage = await self._grader_usage.of_runs([run_id])
        return run_object(answer.run, usage.get(run_id, {}))

    async def get_artifacts(self, caller: CurrentCaller, run_id: str) -> ArtifactsObject:
        """Get the files that a finished run left.

        Nulls and an empty list before, and for whom the run is only shared with: files stay with
        their team.
        """
        question = pb.GetArtifactsRequest(run_id=run_id)
        answer = await ask(caller, self._runs.GetArtifacts, question)
        return artifacts_object(run_id, answer)


def _create_request(body: CreateRunBody, run_id: str, run_token: str) -> pb.CreateRunRequest:
    # 0 leaves the choice to the orchestrator: 4 and 2.
    fallback = body.concurrency or 0
    return pb.CreateRunRequest(
        run_id=run_id,
        suite_id=body.suite_id,
        suite_version=body.suite_version,
        models=body.models,
        task_ids=body.task_ids,
        selects_tasks=body.task_ids is not None,
        judge_model=body.judge_model,
        embedding_model=body.embedding_model,
        generation_json=orjson.dumps(body.generation),
        generation_concurrency=body.generation_concurrency or fallback,
        grader_concurrency=body.grader_concurrency or fallback,
        max_samples_per_task=body.max_samples_per_task,
        metadata=body.metadata,
        run_token=run_token,
    )
