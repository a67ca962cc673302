"""Grade the samples of a shard one execution each, as their outputs become ready."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial

import orjson

from orchestrator.domain.outcomes import lost_for_good, too_large
from orchestrator.domain.work import GradableSample, GradingOrder, ShardJob
from orchestrator.ports.services import GradeReport, Grading, Sandbox
from orchestrator.ports.stores import ShardSamples
from orchestrator.usecases.backoff import Backoff, insist
from orchestrator.usecases.failures import is_passing
from orchestrator.usecases.hold_run_token import CALL_MARGIN, RunToken
from orchestrator.usecases.keep_leases import HeldLease
from orchestrator.usecases.store_results import ResultStore
from servicekit import logs
from servicekit.errors import Kind, ServiceError

# A sample that keeps losing its jail is let go, else its run would never end.
LOSSES_MAX = 10
_LOSS_PAUSE_S = 1.0

_BATCH_MAX = 100
# A message has at most 16 MiB.
SENT_BYTES_MAX = 15 * 1024 * 1024
# What the grader may have of us: enough to keep it busy, little enough to send again.
_WINDOW_MIN = 64
_WINDOW_MAX = 500
_WINDOW_PER_EXECUTION = 4

# A token lasts an hour; a stream opened with half of that left need not be closed soon.
OPEN_MARGIN = timedelta(minutes=30)
_LOOK_S = 30.0

# Beyond twice its time limit an execution waits for a place in the grader; this long is a stall.
STALL_S = 900.0

_log = logs.get_logger("orchestrator.grade_samples")


class GradingCut(ServiceError):
    """The grader ended a grading before it had everything; it is done again."""

    kind = Kind.UNAVAILABLE
    reason = "GRADING_CUT"


def grading_order(job: ShardJob, run_token: str, *, concurrency: int) -> GradingOrder:
    """Return what the grader has to know; the token only where the grader may ask models."""
    request = job.run.request
    return GradingOrder(
        run_id=job.run.id,
        task_id=job.task_id,
        model=job.model,
        grader_json=job.grader_json,
        extraction_json=job.extraction_json,
        aggregate=job.shard.is_grouped,
        concurrency=concurrency,
        run_token=run_token,
        judge_model=request.judge_model,
        embedding_model=request.embedding_model,
    )


def asks_models(job: ShardJob) -> bool:
    """Tell whether the grader has access to models."""
    return bool(orjson.loads(job.grader_json).get("model_access") == "mka1")


def stall_s(job: ShardJob) -> float:
    """Return after how long without any outcome a grading is taken for dead."""
    return 2.0 * float(orjson.loads(job.grader_json).get("timeout_seconds", 120)) + STALL_S


class SampleGrader:
    """Sends ready samples to the grader and hands their outcomes to the result store."""

    def __init__(
        self,
        job: ShardJob,
        held: HeldLease,
        *,
        samples: ShardSamples,
        sandbox: Sandbox,
        token: RunToken,
        results: ResultStore,
    ) -> None:
        self._job = job
        self._held = held
        self._samples = samples
        self._sandbox = sandbox
        self._token = token
        self._results = results
        self._asks_models = asks_models(job)
        self._stall_s = stall_s(job)
        self._ready: deque[int] = deque()
        self._with_grader: set[int] = set()
        self._coming_back = 0
        self._losses: Counter[int] = Counter()
        self._ended = False
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._said_end = False

    def add_ready(self, indices: Iterable[int]) -> None:
        """Take samples whose outputs are stored."""
        self._ready.extend(indices)
        self._changed.set()

    def end(self) -> None:
        """Say that no more samples become ready."""
        self._ended = True
        self._changed.set()

    async def run(self) -> None:
        """Return when every sample is graded; a grader that is away is waited for."""
        backoff = Backoff()
        while await self._has_work():
            try:
                await self._grade_over_one_stream(backoff)
            except (ServiceError, TimeoutError, ExceptionGroup) as error:
                if not is_passing(error):
                    raise
                waiting = sorted(self._with_grader)
                _log.warning("grading_interrupted", samples=len(waiting), error=repr(error))
                self._with_grader.clear()
                self.add_ready(waiting)
                await backoff.wait()

    async def _has_work(self) -> bool:
        while not self._ready:
            if self._is_done():
                return False
            await self._change()
        return True

    def _is_done(self) -> bool:
        return self._ended and not (self._ready or self._with_grader or self._coming_back)

    async def _change(self, *, within_s: float | None = None) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _grade_over_one_stream(self, backoff: Backoff) -> None:
        run_token = await self._token.current(margin=OPEN_MARGIN) if self._asks_models else ""
        concurrency = (self._held.share or self._job.share).grader
        order = grading_order(self._job, run_token, concurrency=concurrency)
        window = min(max(concurrency * _WINDOW_PER_EXECUTION, _WINDOW_MIN), _WINDOW_MAX)
        async with self._sandbox.grade(order) as grading, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send(grading, window=window))
            async for report in grading.reports():
                backoff.reset()
                self._take(report)
            if not self._said_end:
                raise GradingCut("the grader ended the stream")
        # Whoever answers everything but some samples has lost them.
        self._lose(sorted(self._with_grader))

    async def _send(self, grading: Grading, *, window: int) -> None:
        self._heard_at, self._said_end = self._loop.time(), False
        while batch := await self._next_batch(window):
            samples = await insist(partial(self._samples.gradable, self._job.shard, batch))
            sent = [sample.sample_index for sample in samples]
            # Large samples come a few at a time; the others wait for their turn.
            self._with_grader.difference_update(batch[len(sent) :])
            self._ready.extendleft(reversed(batch[len(sent) :]))
            await self._send_fitting(grading, samples)
        self._said_end = True
        await grading.end()

    async def _send_fitting(self, grading: Grading, samples: Sequence[GradableSample]) -> None:
        fitting = [sample for sample in samples if sample.fits(SENT_BYTES_MAX)]
        for sample in samples:
            if not sample.fits(SENT_BYTES_MAX):
                self._with_grader.discard(sample.sample_index)
                self._results.add_graded(too_large(sample.sample_index))
        if fitting:
            self._results.note_scoring([sample.sample_index for sample in fitting])
            await grading.send(fitting)

    async def _next_batch(self, window: int) -> Sequence[int]:
        """Wait for samples and for room; nothing when this stream is to end."""
        while True:
            room = window - len(self._with_grader)
            if self._is_done() or (self._asks_models and not self._token.lasts(CALL_MARGIN)):
                return []
            if self._ready and room > 0:
                count = min(room, _BATCH_MAX, len(self._ready))
                batch = [self._ready.popleft() for _ in range(count)]
                # From here on whoever interrupts us finds them there.
                self._with_grader.update(batch)
                return batch
            await self._change(within_s=_LOOK_S)
            if self._with_grader and self._loop.time() - self._heard_at > self._stall_s:
                raise GradingCut("the grader has not answered for too long")

    def _take(self, report: GradeReport) -> None:
        self._heard_at = self._loop.time()
        for graded in report.graded:
            self._with_grader.discard(graded.sample_index)
            self._results.add_graded(graded)
        self._lose(report.lost)
        self._changed.set()

    def _lose(self, indices: Sequence[int]) -> None:
        """Send samples again that were lost with their jail, after a pause."""
        for index in indices:
            self._with_grader.discard(index)
            self._losses[index] += 1
            if self._losses[index] > LOSSES_MAX:
                self._results.add_graded(lost_for_good(index))
            else:
                self._coming_back += 1
                pause_s = _LOSS_PAUSE_S * self._losses[index]
                self._loop.call_later(pause_s, self._come_back, index)

    def _come_back(self, index: int) -> None:
        self._coming_back -= 1
        self.add_ready([index])
