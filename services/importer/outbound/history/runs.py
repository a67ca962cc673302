"""The orchestrator, who keeps runs."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Any

import grpc
import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from importer.domain.harness.samples import HarnessSample
from importer.domain.history import (
    Committed,
    ImportOrder,
    KnownFile,
    StagedRun,
    Standing,
    labels_of,
)
from proctor.runs.v1 import history_service_pb2 as pb
from proctor.runs.v1.history_service_pb2_grpc import RunHistoryServiceStub

_LOOK_UP_TIMEOUT_S = 30.0
_STAGE_TIMEOUT_S = 3600.0
_COMMIT_TIMEOUT_S = 120.0
_AWAIT_TIMEOUT_S = 30.0
_AWAIT_TIMES_MAX = 60  # of 10 s each; runs are completed without us, too

# A message has at most 16 MiB, and a sample about as much as a line.
_MESSAGE_BYTES = 4 * 1024 * 1024


class GrpcRunHistory:
    """Keeps runs for the current caller's team; see `usecases.import_results.RunHistory`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: Any = RunHistoryServiceStub(channel)

    async def look_up(self, order: ImportOrder, paths: Sequence[str]) -> Standing:
        """Tell where runs would go, and what is there."""
        request = pb.LookUpHistoryRequest(target=_target(order), paths=paths)
        found = await self._stub.LookUpHistory(request, timeout=_LOOK_UP_TIMEOUT_S)
        return Standing(
            suite_id=found.suite_id,
            suite_version=found.suite_version,
            latest_version=found.latest_version,
            task_ids=list(found.task_ids),
            files=[
                KnownFile(
                    path=file.path, commit=file.commit, sha256=file.sha256, run_id=file.run_id
                )
                for file in found.files
            ],
        )

    async def stage(
        self, run_id: str, time: datetime, batches: AsyncIterator[Sequence[HarnessSample]]
    ) -> int:
        """Hand over the samples of a future run; return how many were kept."""
        parts = _parts(run_id, time, batches)
        answer = await self._stub.StageHistory(parts, timeout=_STAGE_TIMEOUT_S)
        return int(answer.total)

    async def commit(self, order: ImportOrder, commit: str, runs: Sequence[StagedRun]) -> Committed:
        """Make staged samples runs, all or none."""
        tasks = {run.origin.task_id: run.task_json for run in reversed(runs)}  # the first counts
        request = pb.CommitHistoryRequest(
            target=_target(order),
            suite_description=order.suite_description,
            suite_metadata=order.metadata,
            tasks=[
                pb.HistoricalTask(task_id=task_id, task_json=document)
                for task_id, document in reversed(tasks.items())
            ],
            runs=[_run(order, commit, run) for run in runs],
        )
        done = await self._stub.CommitHistory(request, timeout=_COMMIT_TIMEOUT_S)
        return Committed(
            suite_id=done.suite_id,
            suite_version=done.suite_version,
            created_suite=done.created_suite,
            created_suite_version=done.created_suite_version,
            superseded_run_ids=list(done.superseded_run_ids),
        )

    async def completed(self, run_ids: Sequence[str]) -> None:
        """Wait until runs have ended, at most ten minutes."""
        request = pb.AwaitHistoryRequest(run_ids=run_ids)
        for _ in range(_AWAIT_TIMES_MAX):
            answer = await self._stub.AwaitHistory(request, timeout=_AWAIT_TIMEOUT_S)
            if not answer.unfinished:
                return


async def _parts(
    run_id: str, time: datetime, batches: AsyncIterator[Sequence[HarnessSample]]
) -> AsyncIterator[pb.StageHistoryRequest]:
    yield pb.StageHistoryRequest(header=pb.StageHeader(run_id=run_id, time=_stamp(time)))
    async for batch in batches:
        for samples in _messages(batch):
            yield pb.StageHistoryRequest(samples=samples)


def _messages(batch: Sequence[HarnessSample]) -> Iterator[pb.HistoricalSamples]:
    """Yield a batch in as many messages as it needs, each small enough to travel."""
    message = _message(batch)
    if len(batch) == 1 or message.ByteSize() <= _MESSAGE_BYTES:
        yield message
        return
    middle = len(batch) // 2
    yield from _messages(batch[:middle])
    yield from _messages(batch[middle:])


def _message(batch: Sequence[HarnessSample]) -> pb.HistoricalSamples:
    indexes, rows, prompts, targets, outputs, extracted, scores, judges, failures = zip(
        *batch, strict=True
    )
    return pb.HistoricalSamples(
        sample_index=indexes,
        dataset_row_json=rows,
        prompt=prompts,
        target=[text or "" for text in targets],
        has_target=[text is not None for text in targets],
        output_text=[text or "" for text in outputs],
        has_output_text=[text is not None for text in outputs],
        extracted_output=[text or "" for text in extracted],
        has_extracted_output=[text is not None for text in extracted],
        scores_json=scores,
        judge_json=judges,
        failure=failures,
    )


def _run(order: ImportOrder, commit: str, run: StagedRun) -> pb.HistoricalRun:
    return pb.HistoricalRun(
        run_id=run.run_id,
        task_id=run.origin.task_id,
        model=run.origin.model,
        generation_json=orjson.dumps(dict(run.generation)),
        metadata=labels_of(order, commit=commit, path=run.path),
        time=_stamp(run.origin.time),
        file=pb.HistoryFile(path=run.path, commit=commit, sha256=run.sha256),
    )


def _target(order: ImportOrder) -> pb.HistoryTarget:
    return pb.HistoryTarget(suite_id=order.suite_id, suite_name=order.suite_name, repo=order.repo)


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
