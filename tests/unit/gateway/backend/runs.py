"""A run service that stores runs in memory; tests say how they go on."""

from typing import Any

import orjson

from proctor.common.v1.page_pb2 import PageInfo
from proctor.runs.v1 import run_pb2, sample_pb2
from proctor.runs.v1 import run_service_pb2 as pb
from proctor.runs.v1.run_service_pb2_grpc import RunServiceServicer
from servicekit.caller import Caller, current_caller
from servicekit.errors import Kind, ServiceError
from servicekit.ids import new_id
from unit.gateway.backend.paging import page_of
from unit.gateway.backend.suites import FakeSuites


class RunNotFound(ServiceError):
    kind = Kind.NOT_FOUND
    reason = "RUN_NOT_FOUND"


class RunNotCancellable(ServiceError):
    kind = Kind.FAILED_PRECONDITION
    reason = "RUN_NOT_CANCELLABLE"


class RunNotCompleted(ServiceError):
    kind = Kind.FAILED_PRECONDITION
    reason = "RUN_NOT_COMPLETED"


class NoFailedSamples(ServiceError):
    kind = Kind.FAILED_PRECONDITION
    reason = "NO_FAILED_SAMPLES"


class RunNotRetryable(ServiceError):
    kind = Kind.FAILED_PRECONDITION
    reason = "RUN_NOT_RETRYABLE"


class FakeRuns(RunServiceServicer):
    def __init__(self, suites: FakeSuites) -> None:
        self.callers: list[Caller] = []
        self.trouble: Exception | None = None
        self.requests: list[pb.CreateRunRequest] = []
        self.sample_questions: list[pb.ListSamplesRequest] = []
        self.runs: dict[str, run_pb2.Run] = {}
        self.samples: list[sample_pb2.Sample] = []
        self.artifacts = pb.GetArtifactsResponse()
        self.fresh_tokens: list[str] = []
        self._suites = suites
        suites.delete_runs_of = self.delete_runs_of

    async def CreateRun(self, request: pb.CreateRunRequest, context: Any) -> pb.CreateRunResponse:
        self._begin()
        self.requests.append(request)
        caller = current_caller()
        suite = self._suites.find(request.suite_id)
        version = request.suite_version or suite.active_version
        run = run_pb2.Run(
            run_id=request.run_id,
            suite_id=suite.suite_id,
            suite_version=version,
            suite_version_id=self._suites.versions[suite.suite_id][version - 1].suite_version_id,
            org_id=caller.org_id,
            team_id=caller.team_id,
            state=run_pb2.RUN_STATE_QUEUED,
            models=request.models,
            task_ids=request.task_ids,
            selects_tasks=request.selects_tasks,
            generation_json=request.generation_json,
            metadata=dict(request.metadata),
            generation_concurrency=request.generation_concurrency or 4,
            grader_concurrency=request.grader_concurrency or 2,
        )
        for name in ("judge_model", "embedding_model", "max_samples_per_task"):
            if request.HasField(name):
                setattr(run, name, getattr(request, name))
        run.create_time.FromSeconds(1_790_000_000 + len(self.runs))
        self.runs[run.run_id] = run
        return pb.CreateRunResponse(run=run)

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse:
        self._begin()
        return pb.GetRunResponse(run=self._find(request.run_id))

    async def ListRuns(self, request: pb.ListRunsRequest, context: Any) -> pb.ListRunsResponse:
        self._begin()
        runs = [
            run
            for run in reversed(self.runs.values())
            if run.team_id == current_caller().team_id
            and request.suite_id in ("", run.suite_id)
            and (
                not request.HasField("suite_version") or request.suite_version == run.suite_version
            )
            and request.state in (run_pb2.RUN_STATE_UNSPECIFIED, run.state)
        ]
        page, has_more = page_of(runs, request.page, lambda run: run.run_id)
        return pb.ListRunsResponse(runs=page, page=PageInfo(has_more=has_more))

    async def ListSamples(
        self, request: pb.ListSamplesRequest, context: Any
    ) -> pb.ListSamplesResponse:
        self._begin()
        self._find(request.run_id)
        self.sample_questions.append(request)
        samples = [sample for sample in self.samples if _wanted(sample, request)]
        page, has_more = page_of(samples, request.page, lambda sample: sample.sample_id)
        answers = [sample_pb2.Sample.FromString(sample.SerializeToString()) for sample in page]
        for answer in answers:
            if request.omit_dataset_rows:
                answer.ClearField("dataset_row_json")
            if not request.include_reasoning:
                answer.ClearField("reasoning")
        return pb.ListSamplesResponse(samples=answers, page=PageInfo(has_more=has_more))

    async def GetArtifacts(
        self, request: pb.GetArtifactsRequest, context: Any
    ) -> pb.GetArtifactsResponse:
        self._begin()
        self._find(request.run_id)
        return self.artifacts

    async def CancelRun(self, request: pb.CancelRunRequest, context: Any) -> pb.CancelRunResponse:
        self._begin()
        run = self._find(request.run_id)
        if run.state in (run_pb2.RUN_STATE_COMPLETED, run_pb2.RUN_STATE_FAILED):
            raise RunNotCancellable("it has ended")
        run.state = run_pb2.RUN_STATE_CANCELLED
        run.end_time.FromSeconds(1_790_000_100)
        return pb.CancelRunResponse(run=run)

    async def RerunFailedSamples(
        self, request: pb.RerunFailedSamplesRequest, context: Any
    ) -> pb.RerunFailedSamplesResponse:
        self._begin()
        run = self._find(request.run_id)
        if run.state != run_pb2.RUN_STATE_COMPLETED:
            raise RunNotCompleted("it is not completed")
        if not run.request_counts.failed:
            raise NoFailedSamples("none failed")
        self._queue(run, request.run_token)
        return pb.RerunFailedSamplesResponse(run=run)

    async def RetryRun(self, request: pb.RetryRunRequest, context: Any) -> pb.RetryRunResponse:
        self._begin()
        run = self._find(request.run_id)
        if run.state not in (run_pb2.RUN_STATE_CANCELLED, run_pb2.RUN_STATE_FAILED):
            raise RunNotRetryable("it is neither failed nor cancelled")
        self._queue(run, request.run_token)
        return pb.RetryRunResponse(run=run)

    async def DeleteRun(self, request: pb.DeleteRunRequest, context: Any) -> pb.DeleteRunResponse:
        self._begin()
        del self.runs[self._find(request.run_id).run_id]
        return pb.DeleteRunResponse()

    def delete_runs_of(self, suite_id: str) -> int:
        gone = [run.run_id for run in self.runs.values() if run.suite_id == suite_id]
        for run_id in gone:
            del self.runs[run_id]
        return len(gone)

    def _queue(self, run: run_pb2.Run, token: str) -> None:
        self.fresh_tokens.append(token)
        run.state = run_pb2.RUN_STATE_QUEUED
        run.ClearField("end_time")

    def add_sample(self, run_id: str, **fields: Any) -> sample_pb2.Sample:
        """A completed sample of the run; `fields` replace what is usual."""
        usual: dict[str, Any] = {
            "sample_id": new_id("eval_sample"),
            "run_id": run_id,
            "task_id": "sums",
            "model": "model-a",
            "sample_index": len(self.samples),
            "state": sample_pb2.SAMPLE_STATE_COMPLETED,
            "dataset_row_json": b'{"q":"2+2"}',
            "prompt": "Compute: 2+2",
            "target": "4",
            "output_text": "4",
            "reasoning": "easy",
            "extracted_output": "4",
            "scores_json": b'{"score":1.0}',
        }
        sample = sample_pb2.Sample(**{**usual, **fields})
        sample.create_time.FromSeconds(1_790_000_000)
        self.samples.append(sample)
        return sample

    def _begin(self) -> None:
        self.callers.append(current_caller())
        if self.trouble:
            raise self.trouble

    def _find(self, run_id: str) -> run_pb2.Run:
        run = self.runs.get(run_id)
        if run is None or run.team_id != current_caller().team_id:
            raise RunNotFound(f"there is no run {run_id}", param="run_id")
        return run


def _wanted(sample: sample_pb2.Sample, request: pb.ListSamplesRequest) -> bool:
    score = orjson.loads(sample.scores_json).get(request.score_metric or "score")
    bounded = request.HasField("score_min") or request.HasField("score_max")
    return (
        sample.run_id == request.run_id
        and request.task_id in ("", sample.task_id)
        and request.model in ("", sample.model)
        and (not request.states or sample.state in request.states)
        and (not request.sample_indices or sample.sample_index in request.sample_indices)
        and (not bounded or score is not None)
        and (not request.HasField("score_min") or score >= request.score_min)
        and (not request.HasField("score_max") or score <= request.score_max)
    )
