"""Launch an attack through the service's own use cases and say in a word how it ended."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from attacks.attack import (
    ACCEPTED,
    FOUND,
    PREPARED,
    REFUSED,
    ROW_FAILED,
    WORKED,
    Attack,
    Check,
    Grader,
    Preparation,
)
from grader.domain.checking import Program, ProgramKind
from grader.domain.grading import (
    GradeSample,
    GradeTask,
    SampleResult,
    digest,
    imported_modules,
)
from grader.domain.isolation import Isolation
from grader.domain.model_calls import Method, ModelAccess, ModelReply
from grader.domain.outcome import Outcome
from grader.domain.preparing import Item, PrepareFailed, PrepareTask
from grader.domain.strict_json import Json
from grader.jail.pool import Pool
from grader.jail.slots import CpuSlots
from grader.usecases.check_program import CheckProgram
from grader.usecases.grade_each import GradeEach
from grader.usecases.grade_together import GradeTogether
from grader.usecases.prepare import Prepare, Rows

EXECUTION_BYTES = 512 << 20
CALLS_MAX = 8
REPLY_CHARS = 40_000

_TOOLS = (Path(__file__).parent / "inside.py").read_text(encoding="utf-8")
# Fields by which a program could change how the bridge itself speaks.
_NEVER_SENT = frozenset({"extra_body", "extra_headers", "extra_query", "stream_options"})


@dataclass(slots=True)
class Observation:
    """How an attack ended and what came out with it; `faults` are promises that were broken."""

    word: str
    detail: str = ""
    faults: list[str] = field(default_factory=list)


class Launcher:
    """All the service's ways to run something, over one pool of jails."""

    def __init__(self, pool: Pool, slots: CpuSlots, isolation: Isolation = Isolation.FRESH) -> None:
        self._isolation = isolation
        parts = {"pool": pool, "slots": slots, "memory_bytes": EXECUTION_BYTES}
        self._grade_each = GradeEach(**parts)  # type: ignore[arg-type] # three parts of three types
        self._grade_together = GradeTogether(**parts)  # type: ignore[arg-type]
        self._prepare = Prepare(**parts)  # type: ignore[arg-type]
        self._check = CheckProgram(**parts)  # type: ignore[arg-type]

    async def launch(self, attack: Attack, facts: Mapping[str, object]) -> Observation:
        """Run it to its end. `facts` are what its row holds besides its role."""
        match attack.program:
            case Grader() as program if program.together:
                return await self._grade_batch(attack, program, facts)
            case Grader() as program:
                return await self._grade(attack, program, facts)
            case Preparation() as program:
                return await self._prepare_rows(attack, program)
            case Check() as program:
                return await self._check_one(program)

    async def grade_innocent(self, task: GradeTask) -> str:
        """Grade one harmless sample of another team; the word is its score."""
        (result,) = await self._graded(task, [_sample("victim", {"role": "attack"})], _Models())
        return _word(result)

    async def _grade(
        self, attack: Attack, program: Grader, facts: Mapping[str, object]
    ) -> Observation:
        task = grade_task(attack, program, isolation=self._isolation)
        models = _Models()
        samples = [_sample("attack", {"role": "attack", **facts}, program.text)]
        if not program.alone:
            secret = {"role": "sibling", "secret": f"{facts['sibling_mark']}7f31c0de"}
            samples.insert(0, _sample("sibling", secret, program.text))
        results = {result.sample_id: result for result in await self._graded(task, samples, models)}
        seen = Observation(_word(results["attack"]), _detail(results["attack"]), models.faults)
        if not program.alone:
            seen.faults += _expect(results["sibling"], "0.5")
            after = await self._graded(
                task, [_sample("next", {"role": "next"}, program.text)], models
            )
            seen.faults += _expect(after[0], "0.25")
        return seen

    async def _graded(
        self, task: GradeTask, samples: Sequence[GradeSample], models: "_Models"
    ) -> list[SampleResult]:
        results: list[SampleResult] = []

        async def put(result: SampleResult) -> None:
            results.append(result)

        await self._grade_each(task, _one_batch(samples), models.call, put)
        return results

    async def _grade_batch(
        self, attack: Attack, program: Grader, facts: Mapping[str, object]
    ) -> Observation:
        results: dict[str, SampleResult] = {}

        async def put(result: SampleResult) -> None:
            assert result.sample_id not in results
            results[result.sample_id] = result

        models = _Models()
        samples = [_sample(name, {"role": name, **facts}) for name in ("attack", "other")]
        task = grade_task(attack, program, isolation=self._isolation)
        await self._grade_together(task, _one_batch(samples), models.call, put)
        faults = [] if results.keys() == {"attack", "other"} else ["a sample has no answer"]
        return Observation(_word(results["attack"]), _detail(results["attack"]), faults)

    async def _prepare_rows(self, attack: Attack, program: Preparation) -> Observation:
        job = orjson.dumps({"task": {"id": "t", **program.task}, "max_items": None})
        task = PrepareTask(
            team_id="attackers",
            run_id="run",
            job=job,
            digest=digest(job),
            preprocess_s=attack.wall_s - 1 if "preprocess" in program.task else None,
            isolation=self._isolation,
        )
        kept: list[Item] = []

        async def put(items: Sequence[Item]) -> None:
            kept[:] = items[:1]

        try:
            async with asyncio.timeout(attack.wall_s + 60):
                await self._prepare(task, _one_rows(program.rows), put)
        except PrepareFailed as refusal:
            return Observation(refusal.reason.lower(), str(refusal))
        first = kept[0]
        detail = f"{first.error_message} {first.prompt[:2_000]} {orjson.dumps(first.row)[:2_000]!r}"
        return Observation(ROW_FAILED if first.error_message else PREPARED, detail)

    async def _check_one(self, program: Check) -> Observation:
        checked = Program(
            path="manifest.x",
            kind=ProgramKind(program.kind),
            source=program.source,
            contract=program.contract,
            group_json="",
        )
        verdict = await self._check("attackers", [checked])
        return Observation(FOUND if verdict.violations else ACCEPTED, str(verdict)[:2_000])


def grade_task(
    attack: Attack,
    program: Grader,
    team_id: str = "attackers",
    isolation: Isolation = Isolation.FRESH,
) -> GradeTask:
    """The grading that an attack is."""
    settings = {"contract": "sample", "model_access": "mka1" if program.models else "none"}
    settings |= {"contract": "batch"} if program.together else {}
    grader = {**settings, "metric_id": "score", "max_model_calls": CALLS_MAX}
    source = f"{_TOOLS}\n\n{program.source}"
    encoded = orjson.dumps(
        {
            "source": source,
            "grader": grader,
            "extraction": program.extraction,
            "imports": imported_modules(source),
        }
    )
    return GradeTask(
        team_id=team_id,
        run_id="run",
        program=encoded,
        facts=orjson.dumps(
            {"run_id": "run", "task_id": attack.name, "model": "m", "judge_model": "judge"}
        ),
        timeout_s=attack.wall_s,
        access=ModelAccess(
            allowed=program.models, judge_model="judge", embedding_model=None, calls_max=CALLS_MAX
        ),
        run_token="",
        aggregate=program.together,
        concurrency=2,
        digest=digest(encoded),
        isolation=isolation,
    )


class _Models:
    """The way to models: answers at length at once, and looks at what it is asked."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._calls = 0

    async def call(self, method: Method, body: Mapping[str, Json], sample_id: str) -> ModelReply:
        self._calls += 1
        if self._calls > CALLS_MAX:
            self.faults.append("more model calls than the budget")
        if _NEVER_SENT & body.keys() or body.get("stream") or body.get("background"):
            self.faults.append("a field reached the bridge that may not")
        if sample_id not in ("attack", ""):
            self.faults.append("a call in another sample's name")
        return ModelReply(body=orjson.dumps({"output_text": "x" * REPLY_CHARS}))


def _sample(name: str, row: Mapping[str, object], text: str = "42") -> GradeSample:
    return GradeSample(
        sample_id=name,
        sample_index=0,
        row=orjson.dumps(row),
        prompt="p",
        target="42",
        choices=b"",
        output_text=text,
        response_id=None,
        usage={},
    )


def _word(result: SampleResult) -> str:
    if result.graded.outcome is not Outcome.SCORED:
        return result.graded.outcome.lower()
    scores = result.graded.scores
    by_score = {0.0: REFUSED, 1.0: WORKED}
    score = scores.get("score")
    return "no_score" if score is None else by_score.get(float(score), str(score))


def _detail(result: SampleResult) -> str:
    graded = result.graded
    failure = f"{graded.failure.code}: {graded.failure.message}" if graded.failure else ""
    judge = orjson.dumps(dict(graded.judge), default=str).decode() if graded.judge else ""
    return f"{failure} {graded.extracted_output or ''} {judge} {graded.traceback}".strip()


def _expect(result: SampleResult, word: str) -> list[str]:
    found = _word(result)
    return [] if found == word else [f"{result.sample_id}: {found}, not {word}: {_detail(result)}"]


async def _one_batch(samples: Sequence[GradeSample]) -> AsyncIterator[Sequence[GradeSample]]:
    yield samples


async def _one_rows(rows: Sequence[Mapping[str, object]]) -> AsyncIterator[Rows]:
    yield Rows(b"\n".join(map(orjson.dumps, rows)), fewshot=False)
