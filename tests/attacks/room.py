"""The grader's use cases over real jails, for tests that look at what programs do in them."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from grader.app import jail_setup
from grader.domain.grading import (
    GradeSample,
    GradeTask,
    SampleResult,
    digest,
    grader_program,
    model_access,
    timeout_s,
)
from grader.domain.model_calls import CallModel, Method, ModelReply
from grader.domain.result import Graded
from grader.domain.strict_json import Json
from grader.jail.config import JailSetup
from grader.jail.pool import Pool, PoolLimits
from grader.jail.slots import CpuSlots
from grader.jail.uids import Uids
from grader.settings import Settings
from grader.usecases.check_program import CheckProgram
from grader.usecases.grade_each import GradeEach
from grader.usecases.grade_together import GradeTogether
from grader.usecases.prepare import Prepare

MIB = 1024 * 1024
# Of this process's tests alone: other graders of the machine have lower ones.
UID_FIRST = 1_000_000 + os.getpid() * 100
JAILS_MAX = 8


@dataclass
class Room:
    """Jails that end as soon as `settle` finds them idle."""

    setup: JailSetup
    pool: Pool
    check: CheckProgram
    prepare: Prepare
    each: GradeEach
    together: GradeTogether
    pids: set[int] = field(default_factory=set)
    metrics: Mapping[str, int | float] = field(default_factory=dict)

    async def grade(
        self,
        source: str,
        rows: Sequence[Mapping[str, Json]],
        *,
        team: str = "team",
        settings: Mapping[str, Json] | None = None,
        extraction: Mapping[str, Json] | None = None,
        call_model: CallModel | None = None,
        aggregate: bool = False,
    ) -> list[Graded]:
        """Grade one sample for each row, in batches of two; its output and target are the row's."""
        task = grade_task(source, team, settings or {}, extraction or {"type": "none"})
        results: dict[str, Graded] = {}

        async def put(result: SampleResult) -> None:
            assert result.sample_id not in results
            results[result.sample_id] = result.graded
            self.pids |= {kept.jail.pid for kept in self.pool._kept.values()}

        batches = _batches(rows)
        if aggregate:
            together = await self.together(task, batches, call_model or no_models, put)
            self.metrics = together.metrics
        else:
            await self.each(task, batches, call_model or no_models, put)
        return [results[f"sample-{index}"] for index in range(len(rows))]

    async def settle(self) -> None:
        """End the idle jails."""
        await self.pool.sweep()

    def left_behind(self) -> list[str]:
        """Processes and control groups of jails that are over."""
        uids = range(UID_FIRST, UID_FIRST + JAILS_MAX + 1)
        left = [str(path) for path in Path("/proc").glob("[0-9]*") if _owner(path) in uids]
        groups = self.setup.cgroups.groups() if self.setup.cgroups else ()
        names = {f"NSJAIL.{pid}" for pid in self.pids}
        return left + [str(group) for group in groups if group.name in names]


@asynccontextmanager
async def open_room(**changes: object) -> AsyncIterator[Room]:
    """A room whose settings are the service's own but for `changes`."""
    settings = Settings.model_validate(
        {
            "rpc_address": "127.0.0.1:0",
            "bridge_address": "127.0.0.1:1",
            "internal_secret": "s" * 32,
            "jail_uid_first": UID_FIRST,
            "jails_max": JAILS_MAX,
            "jail_idle_s": 0,
            "cpu_slots": 2,
            **changes,
        }
    )
    setup = jail_setup(settings)
    limits = PoolLimits(
        jails_max=settings.jails_max,
        idle_s=settings.jail_idle_s,
        executions_max=settings.jail_executions_max,
        age_s=settings.jail_age_s,
    )
    uids = Uids(first=settings.jail_uid_first, count=settings.jails_max + 1)
    slots = CpuSlots(settings.cpu_slots)
    memory_bytes = settings.execution_memory_bytes
    async with Pool(setup, limits, uids) as pool:
        yield Room(
            setup=setup,
            pool=pool,
            check=CheckProgram(pool=pool, slots=slots, memory_bytes=memory_bytes),
            prepare=Prepare(pool=pool, slots=slots, memory_bytes=memory_bytes),
            each=GradeEach(pool=pool, slots=slots, memory_bytes=memory_bytes),
            together=GradeTogether(pool=pool, slots=slots, memory_bytes=memory_bytes),
        )


def grade_task(
    source: str, team: str, settings: Mapping[str, Json], extraction: Mapping[str, Json]
) -> GradeTask:
    """A grading in three executions at once with a limit of 1 s, unless the settings say more."""
    defaults = {"contract": "sample", "metric_id": "score", "timeout_seconds": 1}
    grader = {**defaults, **settings, "source": source}
    program, kept = grader_program(orjson.dumps(grader), orjson.dumps(extraction))
    facts = {"run_id": "run", "task_id": "task", "model": "model", "judge_model": "judge"}
    return GradeTask(
        team_id=team,
        run_id="run",
        program=program,
        digest=digest(program),
        facts=orjson.dumps(facts),
        timeout_s=timeout_s(kept),
        access=model_access(kept, judge_model="judge", embedding_model=None),
        run_token="",
        aggregate=False,
        concurrency=3,
    )


async def no_models(method: Method, body: Mapping[str, Json], sample_id: str) -> ModelReply:
    raise AssertionError(f"{method} was let through")


async def _batches(rows: Sequence[Mapping[str, Json]]) -> AsyncIterator[Sequence[GradeSample]]:
    samples = [
        GradeSample(
            sample_id=f"sample-{index}",
            sample_index=index,
            row=orjson.dumps(row),
            prompt="prompt",
            target=str(row["target"]) if "target" in row else None,
            choices=b"",
            output_text=str(row.get("output", "")),
            response_id=None,
            usage={},
        )
        for index, row in enumerate(rows)
    ]
    for first in range(0, len(samples), 2):
        yield samples[first : first + 2]


def _owner(process: Path) -> int:
    try:
        return process.stat().st_uid
    except OSError:
        return -1
