"""What can be done to a run of /evals/runs: cancel, rerun what failed, retry, delete."""

from typing import TYPE_CHECKING

from fastapi import APIRouter

from gateway.domain.scopes import Scope
from gateway.inbound.resources.resource import text_if_set
from gateway.inbound.resources.runs import RunDeleted, RunObject, run_object
from gateway.inbound.rest.access import Access, CurrentCaller
from gateway.inbound.rest.asking import WRITE_S, ask
from gateway.inbound.rest.operations import Operation, router_of
from gateway.ports import GraderUsage
from gateway.usecases.admit_run import AdmitRun
from proctor.runs.v1 import run_pb2
from proctor.runs.v1 import run_service_pb2 as pb
from servicekit.caller import Caller

if TYPE_CHECKING:  # these classes are in the stubs only
    from proctor.runs.v1.run_service_pb2_grpc import RunServiceAsyncStub


class RunChangeRoutes:
    """Operations that change runs, answered by the run service.

    All of them take no body. None is called off when the client hangs up: a client that gave up
    waiting asks again, and finds done what it wanted.
    """

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
        one = "/evals/runs/{run_id}"
        operations = (
            Operation(
                id="deleteEvalRun",
                method="DELETE",
                path=one,
                endpoint=self.delete,
                scope=Scope.WRITE_EVALS,
                answer=RunDeleted,
                errors=(404,),
            ),
            Operation(
                id="cancelEvalRun",
                method="POST",
                path=f"{one}/cancel",
                endpoint=self.cancel,
                scope=Scope.WRITE_EVALS,
                answer=RunObject,
                errors=(404, 409),
            ),
            Operation(
                id="rerunFailedEvalSamples",
                method="POST",
                path=f"{one}/rerun-failed",
                endpoint=self.rerun_failed,
                scope=Scope.WRITE_EVALS,
                answer=RunObject,
                errors=(404, 409),
            ),
            Operation(
                id="retryFailedEvalRun",
                method="POST",
                path=f"{one}/retry",
                endpoint=self.retry,
                scope=Scope.WRITE_EVALS,
                answer=RunObject,
                errors=(404, 409),
            ),
        )
        return router_of("runs", operations, self._access)

    async def delete(self, caller: CurrentCaller, run_id: str) -> RunDeleted:
        """Delete a run.

        It is gone from every list, and its artifact files are deleted. An unfinished run is
        cancelled first.
        """
        question = pb.DeleteRunRequest(run_id=run_id)
        await ask(caller, self._runs.DeleteRun, question, timeout_s=WRITE_S)
        return RunDeleted(id=run_id)

    async def cancel(self, caller: CurrentCaller, run_id: str) -> RunObject:
        """Cancel a run.

        Answers with the run, `cancelled` or, while calls in flight are stopped, `cancelling`. What
        was finished stays. Repeating it changes nothing; a run that completed or failed is refused
        with `run_not_cancellable`.
        """
        question = pb.CancelRunRequest(run_id=run_id)
        answer = await ask(caller, self._runs.CancelRun, question, timeout_s=WRITE_S)
        return await self._object(answer.run)

    async def rerun_failed(self, caller: CurrentCaller, run_id: str) -> RunObject:
        """Run the failed samples of a completed run again.

        In place: run and sample ids stay, other samples keep their results, metrics and artifacts
        are made anew. Answers with the queued run. Refused with `run_not_completed`, or with
        `no_failed_samples` when there are none.
        """
        token = await self._fresh_token(caller, run_id)
        question = pb.RerunFailedSamplesRequest(run_id=run_id, run_token=token)
        answer = await ask(caller, self._runs.RerunFailedSamples, question, timeout_s=WRITE_S)
        return await self._object(answer.run)

    async def retry(self, caller: CurrentCaller, run_id: str) -> RunObject:
        """Resume a failed or cancelled run.

        In place: completed samples keep their results, what was generated is only scored, the rest
        is queued again; a run without samples is prepared from the start. Answers with the queued
        run. Refused with `run_not_retryable` in any other status.
        """
        token = await self._fresh_token(caller, run_id)
        question = pb.RetryRunRequest(run_id=run_id, run_token=token)
        answer = await ask(caller, self._runs.RetryRun, question, timeout_s=WRITE_S)
        return await self._object(answer.run)

    async def _object(self, run: run_pb2.Run) -> RunObject:
        usage = await self._grader_usage.of_runs([run.run_id])
        return run_object(run, usage.get(run.run_id, {}))

    async def _fresh_token(self, caller: Caller, run_id: str) -> str:
        # The run's own token may be older than tokens are renewed.
        run = (await ask(caller, self._runs.GetRun, pb.GetRunRequest(run_id=run_id))).run
        return self._admit_run.again(
            caller,
            run.run_id,
            candidates=run.models,
            judge=text_if_set(run, "judge_model"),
            embedding=text_if_set(run, "embedding_model"),
        )
