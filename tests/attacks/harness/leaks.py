"""Start and end many jails, then say what the process and the host have more of than before.

Run as `python -m attacks.harness.leaks FOLDER PROFILE COUNT`; prints one line of JSON, and on its
standard error how far it is.
"""

import asyncio
import ctypes
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvloop

from attacks.attack import WORKED, Attack, Grader
from attacks.harness.aftermath import ancestry, processes
from attacks.harness.launching import Launcher, grade_task
from attacks.harness.profiles import (
    FIRST_UID,
    Ablation,
    Profile,
    become,
    jail_setup,
    remove_groups,
)
from grader.jail.config import JailSetup
from grader.jail.pool import Pool, PoolLimits
from grader.jail.slots import CpuSlots
from grader.jail.uids import Uids
from servicekit.logs import configure_logs

AT_ONCE = 3
WARM_UP = 60  # by then every lazily made thing of the process is there
TOLD_EVERY = 500
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds of the host.

    `kernel_groups` are the memory groups that the kernel still has, removed ones included, for the
    whole machine. One that was the first to read a file of the jails' root stays until the file
    leaves the page cache, so a few come with every new root, however many jails there are.
    """

    descriptors: int
    mounts: int
    groups: int
    kernel_groups: int
    processes: int
    threads: int
    memory_bytes: int


async def start_and_end(setup: JailSetup, count: int) -> tuple[Held, Held]:
    """Grade one sample in each of `count` jails; what is held before and after."""
    limits = PoolLimits(jails_max=AT_ONCE, idle_s=0.0, executions_max=1_000, age_s=3600.0)
    uids = Uids(first=FIRST_UID, count=AT_ONCE + 1)
    async with Pool(setup, limits, uids) as pool:
        launcher = Launcher(pool, CpuSlots(AT_ONCE))
        await _grade(launcher, iter(range(-WARM_UP, 0)))
        await pool.sweep()
        before = _held(setup)
        await _grade(launcher, _told(count))
        await pool.sweep()
        return before, _held(setup)


async def _grade(launcher: Launcher, numbers: Iterator[int]) -> None:
    async with asyncio.TaskGroup() as workers:
        for _ in range(AT_ONCE):
            workers.create_task(_work(launcher, numbers))


def _told(count: int) -> Iterator[int]:
    """Numbers of jails, with a line for people now and then."""
    started = time.monotonic()
    for number in range(count):
        yield number
        if (number + 1) % TOLD_EVERY == 0:
            seconds = time.monotonic() - started
            sys.stderr.write(f"{number + 1:6} of {count} jails in {seconds:.0f} s\n")


async def _work(launcher: Launcher, numbers: Iterator[int]) -> None:
    for number in numbers:
        source = f"# {number}\ndef attack(sample, item, ctx):\n    return True\n"
        program = Grader(source=source)
        attack = Attack(name="jail", why="one of many", program=program, expected=WORKED)
        word = await launcher.grade_innocent(grade_task(attack, program))
        assert word == WORKED, word


def _held(setup: JailSetup) -> Held:
    known = processes()
    below = [one for one in known.values() if os.getpid() in ancestry(one, known)]
    status = Path("/proc/self/status").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return Held(
        descriptors=len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        mounts=len(Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()),
        groups=len(list(setup.cgroups.groups())) if setup.cgroups is not None else 0,
        kernel_groups=_kernel_groups(),
        processes=len(below),
        threads=int(fields["Threads"]),
        memory_bytes=int(fields["VmRSS"].split()[0]) * 1024,
    )


def _kernel_groups() -> int:
    for line in Path("/proc/cgroups").read_text(encoding="ascii").splitlines():
        name, _, count, _ = line.split()
        if name == "memory":
            return int(count)
    return 0


def main() -> None:
    """Measure and print."""
    folder, profile, count = Path(sys.argv[1]), Profile(sys.argv[2]), int(sys.argv[3])
    configure_logs("leaks", "critical", json=False)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    setup = jail_setup(folder, profile, Ablation.NONE)
    try:
        become(profile)
        before, after = uvloop.run(start_and_end(setup, count))
    finally:
        remove_groups(setup)
    more = {name: getattr(after, name) - getattr(before, name) for name in Held.__slots__}
    sys.stdout.write(f"{json.dumps(more)}\n")


if __name__ == "__main__":
    main()
