"""Check programs without running them; compiling a tenant's text is a job for a jail too."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import orjson

from grader.domain.checking import (
    PROGRAMS_MAX,
    Program,
    TooManyPrograms,
    Verdict,
    joined,
    read_verdict,
    uncheckable,
)
from grader.domain.outcome import Limits, Outcome
from grader.jail.child import Child
from grader.jail.execution import Clock, Executed, Order, execute
from grader.jail.pool import JailKey, Pool, SandboxUnavailable
from grader.jail.slots import CpuSlots
from grader.usecases.conversations import Conversation

VERDICT_BYTES_MAX = 4_194_304
CHECK_S = 30.0
CHECKS_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckProgram:
    """The check of programs in a jail of their team.

    `pool` and `slots` are its own: people wait for a check, and programs of runs can sleep for
    minutes.
    """

    pool: Pool
    slots: CpuSlots
    memory_bytes: int

    async def __call__(self, team_id: str, programs: Sequence[Program]) -> Verdict:
        """Every problem of every program.

        A program that ends its own check (it crashes the compiler, it takes too long) is named for
        it: all are checked in one execution first and, only if that ends badly, one by one.

        Raises:
            TooManyPrograms: they are more than are checked at once.
            SandboxUnavailable: no jail can be started, or it was lost.
        """
        if len(programs) > PROGRAMS_MAX:
            raise TooManyPrograms(f"at most {PROGRAMS_MAX} programs can be checked at once")
        if not programs:
            return Verdict([], [])
        executed = await self._check(team_id, programs)
        if executed.result is not None:
            return executed.result
        return joined([await self._check_alone(team_id, program) for program in programs])

    async def _check_alone(self, team_id: str, program: Program) -> Verdict:
        executed = await self._check(team_id, [program])
        if executed.failure is not None:
            return uncheckable(program, executed.failure)
        assert executed.result is not None  # noqa: S101 - an execution has the one or the other
        return executed.result

    async def _check(self, team_id: str, programs: Sequence[Program]) -> Executed[Verdict]:
        job = orjson.dumps({"programs": [asdict(program) for program in programs]})

        async def converse(child: Child, clock: Clock) -> Verdict:
            await child.stream.send(job)
            result = await Conversation(child, clock, held).result()
            return read_verdict(result, programs)

        limits = Limits(wall_s=CHECK_S, memory_bytes=self.memory_bytes, cpu_s=int(CHECK_S))
        order = Order(kind="check", limits=limits, frame_bytes_max=VERDICT_BYTES_MAX)
        key = JailKey(team=team_id, run="", flavour="prepare", program="check")
        async with self.pool.lend(key, b"{}") as jail, self.slots.hold(team_id) as held:
            executed = await execute(jail, order, converse)
        if executed.failure is not None and executed.failure.outcome is Outcome.JAIL_LOST:
            raise SandboxUnavailable("the jail was lost in the middle of a check")
        return executed
