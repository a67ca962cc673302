"""Grade all samples of a task and model in one execution, for graders that must see them all."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from grader.domain.grading import GradeTask, SampleResult, TogetherResult
from grader.domain.isolation import Isolation
from grader.domain.model_calls import CallModel
from grader.domain.outcome import Failure, Outcome
from grader.domain.result import (
    Graded,
    InvalidResult,
    failed,
    read_graded,
    read_scores,
)
from grader.domain.strict_json import Json
from grader.jail.child import Child
from grader.jail.execution import Clock, Executed, Order, execute
from grader.jail.pool import Pool
from grader.jail.slots import CpuSlots
from grader.usecases.conversations import Conversation, Models, Piece
from grader.usecases.grade_each import (
    RESULT_BYTES_MAX,
    Batches,
    Put,
    footprint,
    grading_key,
)

_NO_RESULT = Failure(
    Outcome.INVALID_RESULT, "invalid_grader_result", "the grader gave no result for this sample"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeTogether:
    """Grading with one execution over all samples."""

    pool: Pool
    slots: CpuSlots
    memory_bytes: int

    async def __call__(
        self, task: GradeTask, batches: Batches, call_model: CallModel, put: Put
    ) -> TogetherResult:
        """Grade all samples, `put` what came of each, and return what came of the whole.

        Samples stream into the execution as the caller sends them. When it fails, those it has not
        answered fail with it, also the ones that come after.

        Raises:
            SandboxUnavailable: no jail can be started.
        """
        whole = _Whole(batches, put)

        async def converse(child: Child, clock: Clock) -> None:
            await child.stream.send(b'{"run":%b}' % task.facts)
            models = Models(access=task.access, call=call_model, sample_id="")
            conversation = Conversation(
                child,
                clock,
                held,
                models=models,
                pieces={"samples": whole.next_piece},
                emitted=whole.take,
            )
            await conversation.result()

        order = Order(
            kind="grade_all",
            limits=task.limits(self.memory_bytes),
            frame_bytes_max=RESULT_BYTES_MAX,
        )
        key = grading_key(task)
        if key.isolation is Isolation.PRELOAD:  # there is one execution, which can as well load it
            key = replace(key, isolation=Isolation.FRESH)
        async with self.pool.lend(key, task.program) as jail, self.slots.hold(task.team_id) as held:
            executed = await execute(jail, order, converse)
            if executed.failure and executed.failure.outcome is Outcome.SANDBOX_VIOLATION:
                self.pool.retire(key, jail)
        await whole.finish(executed)
        return TogetherResult(
            metrics=whole.metrics if executed.failure is None else {},
            footprint=footprint(executed),
        )


class _Whole:
    """All samples of one execution: handed in by pieces, answered in any order, each once."""

    def __init__(self, batches: Batches, put: Put) -> None:
        self._batches = batches
        self._put = put
        self._unanswered: dict[str, None] = {}
        self._started = time.monotonic()
        self._is_over = False
        self.metrics: Mapping[str, int | float] = {}

    async def next_piece(self) -> Piece:
        batch = await anext(self._batches, None)
        self._unanswered.update((sample.sample_id, None) for sample in batch or ())
        lines = b"\n".join(sample.encoded() for sample in batch or ())
        return Piece(lines, len(batch or ()), last=batch is None)

    async def take(self, emitted: Json) -> None:
        """One group of answers of the child.

        Raises:
            InvalidResult: it is none, or answers for a sample that is not its to answer.
        """
        if not isinstance(emitted, list):
            raise InvalidResult("what it sends is not a list")
        for answer in emitted:
            if not isinstance(answer, dict):
                raise InvalidResult("an answer is not an object")
            if "sample_id" in answer:
                await self._take_sample(answer.pop("sample_id"), answer)
            elif self._is_over or "metrics" not in answer:
                raise InvalidResult("an answer is for no sample")
            else:
                self._is_over = True
                if answer["metrics"] is not None:
                    self.metrics = read_scores(answer["metrics"])

    async def finish(self, executed: Executed[None]) -> None:
        """Fail what the execution left unanswered."""
        while (batch := await anext(self._batches, None)) is not None:
            self._unanswered.update((sample.sample_id, None) for sample in batch)
        graded = failed(executed.failure or _NO_RESULT).with_output(
            executed.stdout, executed.stderr
        )
        for sample_id in list(self._unanswered):
            await self._answer(sample_id, graded)

    async def _take_sample(self, sample_id: Json, answer: Json) -> None:
        if not isinstance(sample_id, str) or sample_id not in self._unanswered:
            raise InvalidResult("it answers for a sample that it was not given, or twice")
        await self._answer(sample_id, read_graded(answer))

    async def _answer(self, sample_id: str, graded: Graded) -> None:
        del self._unanswered[sample_id]
        run_time_s = time.monotonic() - self._started
        await self._put(SampleResult(sample_id=sample_id, graded=graded, run_time_s=run_time_s))
