import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from integration.grader.conftest import (
    FakeBridge,
    Grader,
    grade_task,
    running_grader,
    sample,
)
from proctor.sandbox.v1 import sandbox_service_pb2 as pb
from servicekit.caller import Caller, calling_as

SLEEPS = "import time\ndef grade(s, i):\n    time.sleep(60)\n"
OTHER_TEAM = Caller(org_id="org", team_id="other")


@pytest.fixture
def jailed() -> Callable[[], set[int]]:
    """Processes of the jails that came since the test began; other tests may keep some warm."""
    before = jailed_processes()
    return lambda: jailed_processes() - before


async def test_a_caller_that_goes_away_leaves_no_execution_behind(
    grader: Grader, jailed: Callable[[], set[int]]
) -> None:
    source = "def grade(sample, item):\n    while True:\n        pass\n"
    call = grader.stub.Grade()
    await call.write(pb.GradeRequest(task=grade_task(source, timeout_seconds=60)))
    await call.write(pb.GradeRequest(samples=pb.GradeSampleBatch(samples=[sample(0)])))
    while len(jailed()) < 2:  # the runner and its child
        await asyncio.sleep(0.01)

    call.cancel()

    async with asyncio.timeout(5):
        while len(jailed()) > 1:
            await asyncio.sleep(0.01)


async def test_teams_never_share_a_jail_and_a_team_reuses_its_own(
    jailed: Callable[[], set[int]],
) -> None:
    async with running_grader(FakeBridge()) as grader:
        await grader.grade(grade_task(), [sample(0)])
        first = jailed()
        await grader.grade(grade_task(), [sample(0)])
        again = jailed()
        with calling_as(Caller(org_id="org", team_id="other")):
            await grader.grade(grade_task(), [sample(0)])
        both = jailed()

    assert first == again
    assert len(both) == len(first) + 1
    assert jailed() == set()


async def test_teams_of_one_name_in_two_organisations_never_share_a_jail(
    jailed: Callable[[], set[int]],
) -> None:
    async with running_grader(FakeBridge()) as grader:
        await grader.grade(grade_task(), [sample(0)])
        first = jailed()
        with calling_as(Caller(org_id="other", team_id="team")):
            await grader.grade(grade_task(), [sample(0)])

        assert len(jailed()) == len(first) + 1


async def test_a_check_does_not_wait_for_graders_that_sleep(jailed: Callable[[], set[int]]) -> None:
    program = pb.Program(
        path="p", kind=pb.PROGRAM_KIND_GRADER, source="def grade(s, i): pass", contract="sample"
    )
    async with (
        running_grader(FakeBridge(), cpu_slots=1, jails_max=1) as grader,
        asleep(grader, jailed, samples=1),
        asyncio.timeout(5),
    ):
        await grader.stub.CheckProgram(pb.CheckProgramRequest(programs=[program]))


async def test_a_team_whose_graders_sleep_on_all_slots_keeps_no_other_waiting(
    jailed: Callable[[], set[int]],
) -> None:
    async with (
        running_grader(FakeBridge(), cpu_slots=2) as grader,
        asleep(grader, jailed, samples=2),
        asyncio.timeout(10),
    ):
        with calling_as(OTHER_TEAM):
            graded = await grader.grade(grade_task(), [sample(number) for number in range(9)])

    assert len(graded) == 9


async def test_a_team_whose_graders_sleep_in_many_jails_keeps_no_other_waiting(
    jailed: Callable[[], set[int]],
) -> None:
    async with (
        running_grader(FakeBridge(), cpu_slots=9, jails_max=3) as grader,
        asleep(grader, jailed, samples=1),
        asleep(grader, jailed, samples=1),
        asyncio.timeout(10),
        asyncio.TaskGroup() as tasks,
    ):
        third = tasks.create_task(grader.grade(grade_task(f"# third\n{SLEEPS}"), [sample(0)]))
        await asyncio.sleep(0)
        with calling_as(OTHER_TEAM):
            graded = await grader.grade(grade_task(), [sample(0)])
        assert not third.done()
        third.cancel()

    assert len(graded) == 1


async def test_two_teams_take_turns_at_the_only_jail_while_both_have_work() -> None:
    napping = "import time\ndef grade(s, i):\n    time.sleep(0.2)\n    return 1\n"
    async with running_grader(FakeBridge(), jails_max=1) as grader, asyncio.TaskGroup() as tasks:
        long = tasks.create_task(
            grader.grade(grade_task(napping), [sample(number) for number in range(600)])
        )
        with calling_as(OTHER_TEAM):
            async with asyncio.timeout(20):
                for number in range(2):
                    graded = await grader.grade(grade_task(), [sample(number)])
                    assert graded[f"sample-{number}"].scores_json
        assert not long.done()
        long.cancel()


async def test_idle_jails_end_by_themselves(jailed: Callable[[], set[int]]) -> None:
    async with running_grader(FakeBridge(), jail_idle_s=0.1) as grader:
        await grader.grade(grade_task(), [sample(0)])
        assert jailed()

        async with asyncio.timeout(5):
            while jailed():
                await asyncio.sleep(0.05)


async def test_more_programs_than_jails_take_turns() -> None:
    async with running_grader(FakeBridge(), jails_max=2) as grader, asyncio.TaskGroup() as both:
        graded = [
            both.create_task(
                grader.grade(grade_task(f"def grade(s, i):\n    return {number}\n"), [sample(0)])
            )
            for number in range(6)
        ]

    scores = [task.result()["sample-0"].scores_json for task in graded]
    assert scores == [b'{"score":%d}' % number for number in range(6)]


@asynccontextmanager
async def asleep(
    grader: Grader, jailed: Callable[[], set[int]], *, samples: int
) -> AsyncIterator[None]:
    """One jail more, in which as many graders sleep."""
    before = len(jailed())
    source = f"# {before}\n{SLEEPS}"
    batch = [sample(number) for number in range(samples)]
    call = grader.stub.Grade()
    await call.write(pb.GradeRequest(task=grade_task(source, timeout_seconds=60)))
    await call.write(pb.GradeRequest(samples=pb.GradeSampleBatch(samples=batch)))
    while len(jailed()) < before + 1 + samples:  # its runner and its children
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        call.cancel()


def jailed_processes() -> set[int]:
    """Processes whose program is the runner's, below this process."""
    return {
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"grader/inside/runner" in _read(path)
        and b"nsjail" not in _read(path)
        and _is_ours(path)
    }


def _is_ours(path: Path) -> bool:
    pid = int(path.parent.name)
    while pid > 1:
        if pid == os.getpid():
            return True
        status = _read(Path(f"/proc/{pid}/status")).decode()
        pid = int(status.partition("PPid:")[2].split()[0]) if status else 0
    return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
