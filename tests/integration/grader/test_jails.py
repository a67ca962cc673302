import asyncio
import os
from collections.abc import Callable
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
    source = "import time\ndef grade(s, i):\n    time.sleep(9)\n"
    async with running_grader(FakeBridge(), cpu_slots=1) as grader:
        call = grader.stub.Grade()
        await call.write(pb.GradeRequest(task=grade_task(source)))
        await call.write(pb.GradeRequest(samples=pb.GradeSampleBatch(samples=[sample(0)])))
        while len(jailed()) < 2:  # the runner and its child
            await asyncio.sleep(0.01)

        program = pb.Program(
            path="p", kind=pb.PROGRAM_KIND_GRADER, source="def grade(s, i): pass", contract="sample"
        )
        async with asyncio.timeout(5):
            await grader.stub.CheckProgram(pb.CheckProgramRequest(programs=[program]))

        call.cancel()


async def test_a_team_whose_graders_sleep_keeps_no_other_waiting(
    jailed: Callable[[], set[int]],
) -> None:
    source = "import time\ndef grade(s, i):\n    time.sleep(60)\n"
    sleepy = [sample(number) for number in range(3)]
    async with running_grader(FakeBridge(), cpu_slots=2) as grader:
        call = grader.stub.Grade()
        await call.write(pb.GradeRequest(task=grade_task(source, timeout_seconds=60)))
        await call.write(pb.GradeRequest(samples=pb.GradeSampleBatch(samples=sleepy)))
        while len(jailed()) < 3:  # the runner and as many children as there are slots
            await asyncio.sleep(0.01)

        with calling_as(Caller(org_id="org", team_id="other")):
            async with asyncio.timeout(5):
                graded = await grader.grade(grade_task(), [sample(number) for number in range(9)])

        call.cancel()

    assert len(graded) == 9


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
