"""The grader: programs checked, rows prepared, samples graded, all in its jails."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import orjson

from manifest.programs import Program
from orchestrator.domain.failure import Failure, shortened
from orchestrator.domain.outcomes import SCORE_STAGE, Graded, Outcome, failure_code
from orchestrator.domain.text import storable, storable_object
from orchestrator.domain.work import GradableSample, GradingOrder, Item, PreparationOrder
from orchestrator.outbound.services.wire import usage_from
from orchestrator.ports.services import Checked, GradeReport
from proctor.sandbox.v1 import sandbox_service_pb2 as pb
from proctor.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servicekit.errors import Violation

_CHECK_TIMEOUT_S = 60.0
_PROGRAMS_MAX = 500
_PROGRAM_CHARS_MAX = 2 * 1024 * 1024
_ROWS_BYTES_MAX = 2 * 1024 * 1024
# A task's preprocessor alone may take 600 s; a grader without a free place makes us wait as well.
_PREPARE_TIMEOUT_S = 3600.0

_OUTCOME_PREFIX = "OUTCOME_"


class GrpcSandbox:
    """The sandbox over gRPC."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: Any = SandboxServiceStub(channel)

    async def check(self, programs: Sequence[Program]) -> Checked:
        """Check programs without running them."""
        violations: list[Violation] = []
        entrypoints: list[frozenset[str]] = []
        for batch in _program_batches(programs):
            request = pb.CheckProgramRequest(programs=[_program(entry) for entry in batch])
            answer = await self._stub.CheckProgram(request, timeout=_CHECK_TIMEOUT_S)
            violations += [Violation(v.path, v.reason, v.message) for v in answer.violations]
            entrypoints += [frozenset(found.split(",")) for found in answer.grader_entrypoints]
        return Checked(violations, entrypoints)

    async def prepare(
        self,
        order: PreparationOrder,
        *,
        fewshot_rows: AsyncIterator[Sequence[bytes]],
        rows: AsyncIterator[Sequence[bytes]],
    ) -> AsyncIterator[Sequence[Item]]:
        """Turn rows (one JSON object each) into items, in order of their index."""
        requests = _prepare_requests(order, fewshot_rows, rows)
        call = self._stub.Prepare(requests, timeout=_PREPARE_TIMEOUT_S)
        try:
            async for answer in call:
                yield [_item(item) for item in answer.items]
        finally:
            call.cancel()

    @asynccontextmanager
    async def grade(self, order: GradingOrder) -> AsyncIterator["GrpcGrading"]:
        """Open a grading; leaving the block ends it."""
        call = self._stub.Grade()
        try:
            await call.write(pb.GradeRequest(task=_grade_task(order)))
            yield GrpcGrading(call)
        finally:
            call.cancel()


class GrpcGrading:
    """A stream of samples to the grader and of outcomes back."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._index_of: dict[str, int] = {}

    async def send(self, samples: Sequence[GradableSample]) -> None:
        """Send samples; waits when the grader cannot take more."""
        for sample in samples:
            self._index_of[sample.sample_id] = sample.sample_index
        batch = pb.GradeSampleBatch(samples=[_grade_sample(sample) for sample in samples])
        await self._call.write(pb.GradeRequest(samples=batch))

    async def end(self) -> None:
        """Say that no more samples follow."""
        await self._call.done_writing()

    async def reports(self) -> AsyncIterator[GradeReport]:
        """Yield what comes back, until the grader has answered everything."""
        async for answer in self._call:
            graded: list[Graded] = []
            lost: list[int] = []
            for outcome in answer.outcomes:
                index = self._index_of.pop(outcome.sample_id, None)
                if index is None:
                    continue  # answered before
                if outcome.outcome == pb.OUTCOME_JAIL_LOST:
                    lost.append(index)
                else:
                    graded.append(_graded(index, outcome))
            yield GradeReport(graded, lost, answer.aggregate.metrics_json)


def _program_batches(programs: Sequence[Program]) -> Iterator[Sequence[Program]]:
    batch: list[Program] = []
    chars = 0
    for program in programs:
        if batch and (len(batch) == _PROGRAMS_MAX or chars > _PROGRAM_CHARS_MAX):
            yield batch
            batch, chars = [], 0
        batch.append(program)
        chars += len(program.source)
    if batch:
        yield batch


def _program(program: Program) -> pb.Program:
    return pb.Program(
        path=program.path,
        kind=pb.ProgramKind.Value(f"PROGRAM_KIND_{program.kind.name}"),
        source=program.source,
        contract=program.contract,
        group_json=program.group_json,
    )


async def _prepare_requests(
    order: PreparationOrder,
    fewshot_rows: AsyncIterator[Sequence[bytes]],
    rows: AsyncIterator[Sequence[bytes]],
) -> AsyncIterator[pb.PrepareRequest]:
    task = pb.PrepareTask(run_id=order.run_id, task_json=order.task_json, max_items=order.max_items)
    yield pb.PrepareRequest(task=task)
    for source, is_fewshot in ((fewshot_rows, True), (rows, False)):
        async for batch in source:
            for lines in _row_batches(batch):
                part = pb.RowBatch(rows_jsonl=lines, fewshot=is_fewshot)
                yield pb.PrepareRequest(rows=part)


def _row_batches(rows: Sequence[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size_bytes = 0
    for row in rows:
        if held and size_bytes + len(row) >= _ROWS_BYTES_MAX:
            yield b"\n".join(held)
            held, size_bytes = [], 0
        held.append(row)
        size_bytes += len(row) + 1
    if held:
        yield b"\n".join(held)


def _item(item: pb.Item) -> Item:
    return Item(
        sample_index=item.sample_index,
        row_json=item.row_json.decode(),
        prompt=storable(item.prompt),
        target=storable(item.target) if item.HasField("target") else None,
        choices_json=item.choices_json.decode() or None,
        error_code=item.error_code or None,
        error_message=shortened(storable(item.error_message)) if item.error_code else None,
    )


def _grade_task(order: GradingOrder) -> pb.GradeTask:
    return pb.GradeTask(
        run_id=order.run_id,
        task_id=order.task_id,
        model=order.model,
        grader_json=order.grader_json,
        extraction_json=order.extraction_json,
        aggregate=order.aggregate,
        concurrency=order.concurrency,
        run_token=order.run_token,
        judge_model=order.judge_model,
        embedding_model=order.embedding_model,
    )


def _grade_sample(sample: GradableSample) -> pb.GradeSample:
    return pb.GradeSample(
        sample_id=sample.sample_id,
        sample_index=sample.sample_index,
        row_json=sample.row_json,
        prompt=sample.prompt,
        target=sample.target,
        choices_json=sample.choices_json,
        output_text=sample.output_text,
        response_id=sample.response_id,
        tokens=usage_from(sample.tokens),
    )


def _graded(index: int, wire: pb.SampleOutcome) -> Graded:
    outcome = Outcome(pb.Outcome.Name(wire.outcome).removeprefix(_OUTCOME_PREFIX).lower())
    scored = outcome is Outcome.SCORED
    return Graded(
        sample_index=index,
        outcome=outcome,
        extracted_output=(
            storable(wire.extracted_output) if wire.HasField("extracted_output") else None
        ),
        scores_json=storable_object(wire.scores_json or b"{}") if scored else None,
        judge_json=wire.judge_json.decode() or None,
        failure=None if scored else _failure(outcome, wire),
    )


def _failure(outcome: Outcome, wire: pb.SampleOutcome) -> Failure:
    details = {"traceback": wire.traceback} if wire.traceback else {}
    return Failure(
        code=failure_code(outcome, wire.error_code),
        message=shortened(storable(wire.error_message)),
        stage=wire.error_stage or SCORE_STAGE,
        details_json=orjson.dumps(details).decode() if details else "",
    )
