"""Ports kept in memory; they behave as tests/conformance says, and fail when told to."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from manifest.programs import Program
from orchestrator.domain.failure import Failure
from orchestrator.domain.metrics import Counts
from orchestrator.domain.outcomes import (
    Generated,
    Graded,
    ModelCall,
    ModelReply,
    Outcome,
    SampleChanges,
)
from orchestrator.domain.run import Run, RunRequest
from orchestrator.domain.run_states import RunState
from orchestrator.domain.sample import SampleState
from orchestrator.domain.sharding import ShardKind, Share
from orchestrator.domain.tokens import NO_TOKENS
from orchestrator.domain.work import (
    GradableSample,
    GradingOrder,
    Item,
    Lease,
    LeaseLost,
    PreparationOrder,
    QueuedSample,
    RunJob,
    RunStep,
    Shard,
    ShardJob,
)
from orchestrator.ports.services import Checked, GradeReport
from servicekit.errors import Kind, ServiceError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = Lease(run_id="run", shard_no=0, epoch=1)
SHARE = Share(generation=2, grader=2)


class Away(ServiceError):
    kind = Kind.UNAVAILABLE
    reason = "AWAY"

    def __init__(self) -> None:
        super().__init__("away")


class Refused(ServiceError):
    kind = Kind.UNAUTHENTICATED
    reason = "RUN_TOKEN_INVALID"

    def __init__(self) -> None:
        super().__init__("refused")


def token(*, minutes: float = 60, serial: int = 0) -> str:
    claims = {"exp": int((NOW + timedelta(minutes=minutes)).timestamp()), "serial": serial}
    return jwt.encode(claims, "0" * 32, algorithm="HS256")


def fresh_token(serial: int) -> str:
    """What the fake bridge gives for a token that is about to end."""
    return token(minutes=180, serial=serial)


def shard(size: int = 4, kind: ShardKind = ShardKind.PER_SAMPLE) -> Shard:
    return Shard(lease=LEASE, kind=kind, task_ord=0, model_ord=0, from_index=0, to_index=size)


def run(**changes: Any) -> Run:
    request: dict[str, Any] = {
        "models": ["model"],
        "task_ids": None,
        "judge_model": None,
        "embedding_model": None,
        "generation_json": b"{}",
        "generation_concurrency": 4,
        "grader_concurrency": 2,
        "max_samples_per_task": None,
        "metadata": {},
    }
    return Run(
        id="run",
        org_id="org",
        team_id="team",
        on_behalf_of="",
        suite_id="suite",
        suite_version=1,
        suite_version_id="version",
        state=RunState.IN_PROGRESS,
        request=RunRequest(**request | changes),
        counts=Counts(),
        metrics_json=b"",
        error=None,
        result_file_id=None,
        samples_file_id=None,
        edition=0,
        tokens=NO_TOKENS,
        created_at=NOW,
        started_at=NOW,
        ended_at=None,
    )


def shard_job(
    size: int = 4,
    *,
    kind: ShardKind = ShardKind.PER_SAMPLE,
    share: Share = SHARE,
    grader: Mapping[str, object] | None = None,
    run_token: str | None = None,
    transcription_json: bytes | None = None,
    **changes: Any,
) -> ShardJob:
    described = {"model_access": "none", "timeout_seconds": 1, **(grader or {})}
    return ShardJob(
        shard=shard(size, kind),
        share=share,
        run=run(**changes),
        task_id="task",
        model="model",
        grader_json=json.dumps(described).encode(),
        extraction_json=b"{}",
        run_token=token() if run_token is None else run_token,
        transcription_json=transcription_json,
    )


class FakeClock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = NOW

    def utc_now(self) -> datetime:
        return self.now


class FakeSamples:
    """Samples of one shard; `away` says how many questions find Postgres away."""

    def __init__(self, size: int = 4) -> None:
        self.states = dict.fromkeys(range(size), SampleState.QUEUED)
        self.outputs: dict[int, Generated] = {}
        self.gradings: dict[int, Graded] = {}
        self.commits: list[SampleChanges] = []
        self.metrics_json = b""
        self.prompt = "prompt"
        self.recordings: list[int] = []
        self.away = 0
        self.lost = False
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.gradable_max = 100

    async def queued(self, shard: Shard, *, after: int, limit: int) -> Sequence[QueuedSample]:
        self._ask()
        found = [n for n in self._in(shard, SampleState.QUEUED) if n > after]
        return [
            QueuedSample(sample_index=n, sample_id=f"sample-{n}", prompt=self.prompt)
            for n in found[:limit]
        ]

    async def audio(self, shard: Shard, sample_index: int) -> str:
        self._ask()
        self.recordings.append(sample_index)
        return f"data:audio/wav;base64,{sample_index}"

    async def ready(self, shard: Shard) -> Sequence[int]:
        self._ask()
        return self._in(shard, SampleState.READY_TO_SCORE)

    async def gradable(self, shard: Shard, indices: Sequence[int]) -> Sequence[GradableSample]:
        self._ask()
        return [self._gradable(n) for n in indices[: self.gradable_max]]

    async def write(self, shard: Shard, changes: SampleChanges, *, repeated: bool) -> None:
        await self.may_write.wait()
        self._ask()
        if self.lost:
            raise LeaseLost(shard.lease)
        self.commits.append(changes)
        self._mark(changes.generating, SampleState.QUEUED, SampleState.GENERATING)
        self._mark(changes.scoring, SampleState.READY_TO_SCORE, SampleState.SCORING)
        for n, generated in changes.generated.items():
            if self.states[n] in {SampleState.QUEUED, SampleState.GENERATING}:
                self.states[n], self.outputs[n] = generated.state, generated
            else:
                assert repeated
        for n, graded in changes.graded.items():
            if self.states[n] in {SampleState.READY_TO_SCORE, SampleState.SCORING}:
                self.states[n], self.gradings[n] = graded.state, graded
            else:
                assert repeated

    async def restart_group(self, shard: Shard) -> Sequence[int]:
        self._ask()
        self.metrics_json = b""
        for n in self.outputs:
            if self.outputs[n].failure is None:
                self.states[n] = SampleState.READY_TO_SCORE
        self.gradings.clear()
        return self._in(shard, SampleState.READY_TO_SCORE)

    async def add_group_metrics(self, shard: Shard, metrics_json: bytes) -> None:
        self._ask()
        self.metrics_json = metrics_json

    def generate(self, *indices: int) -> None:
        """Make samples ready to score."""
        for n in indices:
            self.outputs[n] = Generated(sample_index=n, output_text=str(n))
            self.states[n] = SampleState.READY_TO_SCORE

    def _ask(self) -> None:
        if self.away:
            self.away -= 1
            raise Away

    def _in(self, shard: Shard, state: SampleState) -> list[int]:
        place = range(shard.from_index, shard.to_index)
        return [n for n in sorted(self.states) if n in place and self.states[n] is state]

    def _mark(self, indices: Collection[int], before: SampleState, after: SampleState) -> None:
        for n in indices:
            if self.states[n] is before:
                self.states[n] = after

    def _gradable(self, n: int) -> GradableSample:
        return GradableSample(
            sample_index=n,
            sample_id=f"sample-{n}",
            row_json=b"{}",
            prompt=self.prompt,
            target=None,
            choices_json=b"",
            output_text=self.outputs[n].output_text,
            response_id=None,
            tokens=NO_TOKENS,
        )


@dataclass
class FakeSteps:
    """Run steps; remembers what was done."""

    failures: list[Failure] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    lost: bool = False
    away: bool = False

    async def take(self, run_id: str, step: RunStep) -> RunJob | None:
        return None

    async def start(self, lease: Lease) -> None: ...

    async def fail(self, lease: Lease, failure: Failure) -> None:
        if self.lost:
            raise LeaseLost(lease)
        self.failures.append(failure)

    async def note_token(self, run_id: str, token: str) -> None:
        if self.away:
            raise Away
        self.tokens.append(token)


@dataclass
class FakeLeases:
    """Leases; those in `lost` are gone, and each renewal first raises what is in `trouble`."""

    share: Share | None = None
    lost: set[Lease] = field(default_factory=set)
    trouble: list[Exception] = field(default_factory=list)
    renewals: int = 0
    released: list[bool] = field(default_factory=list)
    mishaps: int = 0
    release_trouble: Exception | None = None
    swept: list[int | Exception] = field(default_factory=list)

    async def renew(self, leases: Collection[Lease]) -> Mapping[Lease, Share | None]:
        self.renewals += 1
        if self.trouble:
            raise self.trouble.pop(0)
        return {lease: self.share for lease in leases if lease not in self.lost}

    async def release(self, lease: Lease, *, mishap: bool) -> int:
        if self.release_trouble:
            raise self.release_trouble
        self.released.append(mishap)
        self.mishaps += mishap
        return self.mishaps

    async def sweep(self) -> int:
        found = self.swept.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


class FakeBridge:
    """A bridge that answers with `reply` after `latency_s`."""

    def __init__(self, reply: Callable[[ModelCall], ModelReply] | None = None) -> None:
        self.reply = reply or (lambda _: ModelReply(output_text="text"))
        self.latency_s = 0.0
        self.calls: list[ModelCall] = []
        self.in_flight = 0
        self.in_flight_max = 0
        self.renewals = 0
        self.trouble: list[ServiceError] = []
        self.fresh: Callable[[int], str] = fresh_token

    async def generate(self, call: ModelCall) -> ModelReply:
        self.calls.append(call)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            await asyncio.sleep(self.latency_s)
            return self.reply(call)
        finally:
            self.in_flight -= 1

    async def renew(self, run_token: str) -> str:
        self.renewals += 1
        if self.trouble:
            raise self.trouble.pop(0)
        return self.fresh(self.renewals)


def scored(n: int) -> Graded:
    return Graded(sample_index=n, outcome=Outcome.SCORED, scores_json='{"score": 1}')


class FakeGrading:
    """One stream: answers what is sent, unless the sandbox has other plans."""

    def __init__(self, sandbox: "FakeSandbox", order: GradingOrder) -> None:
        self._sandbox = sandbox
        self._order = order
        self._sent: asyncio.Queue[list[int] | None] = asyncio.Queue()

    async def send(self, samples: Sequence[GradableSample]) -> None:
        self._sandbox.batches.append([sample.sample_index for sample in samples])
        self._sent.put_nowait([sample.sample_index for sample in samples])

    async def end(self) -> None:
        self._sent.put_nowait(None)

    async def reports(self) -> AsyncIterator[GradeReport]:
        held: list[int] = []
        while (batch := await self._sent.get()) is not None:
            if self._sandbox.trouble:
                raise self._sandbox.trouble.pop(0)
            if self._sandbox.cuts:
                self._sandbox.cuts -= 1
                return
            await self._sandbox.may_grade.wait()
            if self._order.aggregate:
                held += batch
            else:
                yield self._report(batch)
        if self._order.aggregate:
            yield self._report(held, self._sandbox.metrics_json)

    def _report(self, indices: Sequence[int], metrics_json: bytes = b"") -> GradeReport:
        lost = [n for n in indices if self._sandbox.lose[n]]
        self._sandbox.lose.subtract(lost)
        kept = [n for n in indices if n not in lost and n not in self._sandbox.forget]
        self._sandbox.forget.clear()
        return GradeReport([scored(n) for n in kept], lost, metrics_json)


class FakeSandbox:
    """A sandbox; `trouble`, `cuts`, `lose` and `forget` say what goes wrong with gradings."""

    def __init__(self) -> None:
        self.orders: list[GradingOrder] = []
        self.batches: list[list[int]] = []
        self.trouble: list[Exception] = []
        self.cuts = 0
        self.lose: Counter[int] = Counter()
        self.forget: set[int] = set()
        self.metrics_json = b""
        self.may_grade = asyncio.Event()
        self.may_grade.set()
        self.checked: list[Program] = []
        self.answer = Checked([], [])

    async def check(self, programs: Sequence[Program]) -> Checked:
        self.checked.extend(programs)
        return self.answer

    async def prepare(
        self,
        order: PreparationOrder,
        *,
        fewshot_rows: AsyncIterator[Sequence[bytes]],
        rows: AsyncIterator[Sequence[bytes]],
    ) -> AsyncIterator[Sequence[Item]]:
        raise NotImplementedError
        yield

    @asynccontextmanager
    async def grade(self, order: GradingOrder) -> AsyncIterator[FakeGrading]:
        self.orders.append(order)
        yield FakeGrading(self, order)
