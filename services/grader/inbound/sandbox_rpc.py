"""SandboxService over gRPC."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import grpc

from grader.domain.grading import GradeSample, SampleResult
from grader.domain.model_calls import CallModel
from grader.domain.preparing import Item
from grader.inbound.grouping import Groups, Message
from grader.inbound.translation import (
    MessageInvalid,
    checked_response,
    grade_task_of,
    item_message,
    outcome_message,
    prepare_task_of,
    program_of,
    sample_of,
    together_response,
)
from grader.usecases.check_program import CheckProgram
from grader.usecases.grade_each import GradeEach
from grader.usecases.grade_together import GradeTogether
from grader.usecases.prepare import Prepare, Rows
from proctor.sandbox.v1 import sandbox_service_pb2 as wire
from proctor.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceServicer
from servicekit.caller import current_caller, team_of

OpenModels = Callable[[str], AbstractAsyncContextManager[CallModel]]
"""A way to models for the run of a run token, open for the block."""

PrepareContext = grpc.aio.ServicerContext[wire.PrepareRequest, wire.PrepareResponse]
GradeContext = grpc.aio.ServicerContext[wire.GradeRequest, wire.GradeResponse]


class SandboxRpc(SandboxServiceServicer):
    """Checks, prepares and grades for the team of the caller.

    The streams write through their context instead of yielding: a generator that is dropped at a
        yield would leave its executions running.
    """

    def __init__(
        self,
        *,
        check_program: CheckProgram,
        prepare: Prepare,
        grade_each: GradeEach,
        grade_together: GradeTogether,
        open_models: OpenModels,
    ) -> None:
        self._check_program = check_program
        self._prepare = prepare
        self._grade_each = grade_each
        self._grade_together = grade_together
        self._open_models = open_models

    async def CheckProgram(
        self,
        request: wire.CheckProgramRequest,
        context: grpc.ServicerContext,  # noqa: ARG002 - gRPC's signature
    ) -> wire.CheckProgramResponse:
        """Every problem of every program."""
        programs = [program_of(program) for program in request.programs]
        return checked_response(await self._check_program(_team(), programs))

    async def Prepare(  # type: ignore[override] # see the class
        self, request_iterator: AsyncIterator[wire.PrepareRequest], context: PrepareContext
    ) -> None:
        """Items of a task, in order, as its rows come."""
        first = await anext(request_iterator, None)
        if first is None or not first.HasField("task"):
            raise MessageInvalid("the first message of a preparation must be its task")
        task = prepare_task_of(first.task, _team())

        async def send(items: Sequence[wire.Item]) -> None:
            await context.write(wire.PrepareResponse(items=items))

        async with _grouped(send) as groups:

            async def put(items: Sequence[Item]) -> None:
                for item in items:
                    await groups.put(item_message(item))

            await self._prepare(task, _rows(request_iterator), put)

    async def Grade(  # type: ignore[override] # see the class
        self, request_iterator: AsyncIterator[wire.GradeRequest], context: GradeContext
    ) -> None:
        """Outcomes of samples, as they end."""
        first = await anext(request_iterator, None)
        if first is None or not first.HasField("task"):
            raise MessageInvalid("the first message of a grading must be its task")
        task = grade_task_of(first.task, _team())
        batches = _samples(request_iterator)
        include_output = first.task.include_output

        async def send(outcomes: Sequence[wire.SampleOutcome]) -> None:
            await context.write(wire.GradeResponse(outcomes=outcomes))

        async with self._open_models(task.run_token) as call_model, _grouped(send) as groups:

            async def put(result: SampleResult) -> None:
                await groups.put(outcome_message(result, include_output=include_output))

            if not task.aggregate:
                await self._grade_each(task, batches, call_model, put)
                return
            together = await self._grade_together(task, batches, call_model, put)
            await groups.flush()
            await context.write(together_response(together, include_output=include_output))


def _team() -> str:
    """The caller's team by its full name."""
    return team_of(current_caller())


@asynccontextmanager
async def _grouped(
    send: Callable[[Sequence[Message]], Awaitable[None]],
) -> AsyncIterator[Groups[Message]]:
    """Groups that go out while the block runs; the last of them at its end, also when it fails."""
    groups = Groups(send)
    async with asyncio.TaskGroup() as tasks:
        sender = tasks.create_task(groups.run())
        try:
            yield groups
        except Exception:
            await groups.flush()  # what came of it before it failed counts
            raise
        else:
            await groups.flush()
        finally:
            sender.cancel()


async def _rows(requests: AsyncIterator[wire.PrepareRequest]) -> AsyncIterator[Rows]:
    async for request in requests:
        if not request.HasField("rows"):
            raise MessageInvalid("only the first message of a preparation is a task")
        yield Rows(request.rows.rows_jsonl, fewshot=request.rows.fewshot)


async def _samples(
    requests: AsyncIterator[wire.GradeRequest],
) -> AsyncIterator[Sequence[GradeSample]]:
    async for request in requests:
        if not request.HasField("samples"):
            raise MessageInvalid("only the first message of a grading is a task")
        yield [sample_of(sample) for sample in request.samples.samples]
