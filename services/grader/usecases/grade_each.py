"""Grade samples one by one: an execution for each, so none can touch another's grade."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from grader.domain.grading import Footprint, GradeSample, GradeTask, SampleResult
from grader.domain.isolation import Isolation
from grader.domain.model_calls import CallModel
from grader.domain.outcome import Outcome
from grader.domain.result import Graded, failed, read_graded
from grader.jail.child import Child
from grader.jail.execution import Clock, Executed, Order, Result, execute
from grader.jail.jail import EXECUTIONS_AT_ONCE_MAX, Preload
from grader.jail.pool import JailKey, Pool, PreloadFailed
from grader.jail.slots import CpuSlots
from grader.usecases.conversations import Conversation, Models
from servicekit.logs import get_logger

RESULT_BYTES_MAX = 1_048_576
# A grader without models computes all the time: a few executions more than slots keep every slot
# busy.
SPARE_EXECUTIONS = 2
# A jail each is more than a process each: a start, a temporary file system, one of the places that
# all teams share. The spare ones start while others run.
JAILS_MAX = 8

_log = get_logger(__name__)

Batches = AsyncIterator[Sequence[GradeSample]]
Put = Callable[[SampleResult], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeEach:
    """Grading with one execution a sample."""

    pool: Pool
    slots: CpuSlots
    memory_bytes: int

    async def __call__(
        self, task: GradeTask, batches: Batches, call_model: CallModel, put: Put
    ) -> None:
        """Grade every sample and `put` what came of it, as it comes.

        Takes the next batch when the one before is under way, and waits in `put`, so memory stays
        at a batch or two.

        Raises:
            SandboxUnavailable: no jail can be started.
        """
        samples = _Samples(batches)
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._executions_at_once(task)):
                workers.create_task(self._work(task, samples, call_model, put))

    def _executions_at_once(self, task: GradeTask) -> int:
        useful = (
            EXECUTIONS_AT_ONCE_MAX if task.access.allowed else self.slots.count + SPARE_EXECUTIONS
        )
        if task.isolation is Isolation.FILES:
            useful = min(useful, JAILS_MAX)
        return max(1, min(task.concurrency, useful))

    async def _work(
        self, task: GradeTask, samples: "_Samples", call_model: CallModel, put: Put
    ) -> None:
        while (sample := await samples.next()) is not None:
            await put(await self._grade(task, sample, call_model))

    async def _grade(
        self, task: GradeTask, sample: GradeSample, call_model: CallModel
    ) -> SampleResult:
        key = grading_key(task)
        if key.isolation is Isolation.PRELOAD:
            with suppress(PreloadFailed):
                result = await self._grade_in(key, task, sample, call_model)
                # The runner is the program's to lose.
                if result.footprint and result.footprint.ending is None:
                    self.pool.give_up_preload(key)
                if result.graded.outcome is not Outcome.JAIL_LOST:
                    return result
            key = replace(key, isolation=Isolation.FRESH)
        return await self._grade_in(key, task, sample, call_model)

    async def _grade_in(
        self, key: JailKey, task: GradeTask, sample: GradeSample, call_model: CallModel
    ) -> SampleResult:
        job = b'{"run":%b,"sample":%b}' % (task.facts, sample.encoded())
        models = Models(access=task.access, call=call_model, sample_id=sample.sample_id)
        preload = None
        if key.isolation is Isolation.PRELOAD:
            limits = task.preload_limits(self.memory_bytes)
            preload = Preload(limits, self.slots.hold(task.team_id))
        order = Order(
            kind="grade", limits=task.limits(self.memory_bytes), frame_bytes_max=RESULT_BYTES_MAX
        )

        async def converse(child: Child, clock: Clock) -> Graded:
            await child.stream.send(job)
            return read_graded(await Conversation(child, clock, held, models=models).result())

        async with (
            self.pool.lend(key, task.program, preload) as jail,
            self.slots.hold(task.team_id) as held,
        ):
            executed = await execute(jail, order, converse)
            graded = as_graded(executed)
            if graded.outcome is Outcome.SANDBOX_VIOLATION:
                self.pool.retire(key, jail)
        if graded.outcome is not Outcome.SCORED:
            _log.info("sample_not_scored", sample_id=sample.sample_id, outcome=graded.outcome)
        return SampleResult(
            sample_id=sample.sample_id,
            graded=graded,
            run_time_s=executed.run_time_s,
            footprint=footprint(executed),
        )


def grading_key(task: GradeTask) -> JailKey:
    """The jail that a task's executions belong in."""
    return JailKey(
        team=task.team_id,
        run=task.run_id,
        flavour="grade",
        program=task.digest,
        isolation=task.isolation,
    )


def as_graded(executed: Executed[Graded]) -> Graded:
    """The grading of an execution, with what it printed if it failed."""
    graded = executed.result
    if graded is None:
        assert executed.failure is not None  # noqa: S101 - an execution without a result has failed
        graded = failed(executed.failure)
    return graded.with_output(executed.stdout, executed.stderr)


def footprint(executed: Executed[Result]) -> Footprint:
    """What an execution used and printed."""
    return Footprint(
        run_time_s=executed.run_time_s,
        ending=executed.ending,
        stdout=executed.stdout,
        stderr=executed.stderr,
    )


class _Samples:
    """Samples for several workers, taken from batches that come one at a time."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._waiting: deque[GradeSample] = deque()
        self._taking = asyncio.Lock()
        self._is_over = False

    async def next(self) -> GradeSample | None:
        """The next sample; None when there are no more."""
        async with self._taking:
            while not self._waiting and not self._is_over:
                batch = await anext(self._batches, None)
                self._is_over = batch is None
                self._waiting.extend(batch or ())
            return self._waiting.popleft() if self._waiting else None
