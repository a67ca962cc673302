"""The attacked service: a process that launches attacks and looks at what they left.

Run as `python -m attacks.harness.service FOLDER PROFILE ABLATION ISOLATION`, with names of attacks
on its standard input; answers with a line of JSON each. It is what the grader is from its use cases
down, so an attack that escapes meets no test.
"""

import asyncio
import ctypes
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import uvloop

from attacks.attack import WORKED, Attack, Grader
from attacks.harness.aftermath import Aftermath, Canary
from attacks.harness.launching import EXECUTION_BYTES, Launcher, Observation, grade_task
from attacks.harness.profiles import (
    FIRST_UID,
    UNPRIVILEGED_ID,
    Ablation,
    Profile,
    become,
    jail_setup,
    remove_groups,
)
from attacks.known.register import ATTACKS
from grader.domain import preparing
from grader.domain.isolation import Isolation
from grader.jail.config import JailSetup
from grader.jail.pool import JailKey, Pool, PoolLimits
from grader.jail.selftest import self_test
from grader.jail.slots import CpuSlots
from grader.jail.uids import Uids
from grader.usecases.grade_each import grading_key
from servicekit.logs import configure_logs

JAILS_MAX = 6
# A preparation has a minute on top of what its preprocessor may take; nobody wants to wait for that
# here.
RENDER_S = 6.0
# What an execution may take beyond its own limit: a jail's start, the sibling, the sample after it,
# on a busy machine.
MARGIN_S = 6.0
# Besides, a module body may use up its limit before each execution has its own,
LOADS = {Isolation.PRELOAD: 1}
# and three executions in a row have a jail each.
JAILS_S = {Isolation.FILES: 4.0}
GIVE_UP_S = 90.0
SIBLING_MARK = "s1bl1ng-"
_PR_SET_CHILD_SUBREAPER = 36

_VICTIM = Attack(
    name="victim",
    why="another team's grader, which must not notice any of this",
    program=Grader(source="def attack(sample, item, ctx):\n    return sample['id'] == 'victim'"),
    expected=WORKED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of one attack."""

    name: str
    observed: str
    detail: str
    seconds: float
    victim_s: float
    faults: list[str]


class AttackedService:
    """A pool of jails with one jail of an innocent team, which stays in use throughout."""

    def __init__(
        self,
        launcher: Launcher,
        pool: Pool,
        canary: Canary,
        facts: Mapping[str, object],
        isolation: Isolation,
    ) -> None:
        self._isolation = isolation
        self._launcher = launcher
        self._pool = pool
        self._canary = canary
        self._facts = facts
        self._victim_task = grade_task(_VICTIM, _victim_program(), "innocents")
        self._aftermath: Aftermath | None = None

    @property
    def victim_key(self) -> JailKey:
        """The innocent team's jail."""
        return grading_key(self._victim_task)

    @property
    def victim_source(self) -> bytes:
        """What it is loaded with."""
        return self._victim_task.program

    async def warm_up(self, setup: JailSetup, victim_pid: int) -> None:
        """Do everything once, then remember how the host looks."""
        await self._launcher.grade_innocent(self._victim_task)
        await self._launcher.launch(_VICTIM, self._facts)
        await self._pool.sweep()
        uids = range(FIRST_UID, FIRST_UID + JAILS_MAX + 1)
        self._aftermath = Aftermath(setup, uids, victim_pid)

    async def run(self, attack: Attack) -> Report:
        """Launch one attack beside the innocent team's work; when it is over, look around."""
        assert self._aftermath is not None
        self._aftermath.begin()
        started = time.monotonic()
        async with asyncio.timeout(GIVE_UP_S), asyncio.TaskGroup() as tasks:
            attacked = tasks.create_task(self._launcher.launch(attack, self._facts))
            victim = tasks.create_task(self._timed_victim())
        seconds = time.monotonic() - started
        seen, (victim_word, victim_s) = attacked.result(), victim.result()
        await self._pool.sweep()
        faults = [*seen.faults, *self._aftermath.faults(), *self._canary.faults()]
        faults += self._leaks(seen)
        if attack.says not in seen.detail:
            faults.append(f"it does not say: {attack.says}")
        if victim_word != WORKED:
            faults.append(f"the other team's sample: {victim_word}")
        if seconds > self._limit_s(attack):
            faults.append(f"it took {seconds:.1f} s")
        return Report(
            name=attack.name,
            observed=seen.word,
            detail=seen.detail[:600],
            seconds=round(seconds, 2),
            victim_s=round(victim_s, 3),
            faults=faults,
        )

    def _limit_s(self, attack: Attack) -> float:
        limits_s = attack.wall_s * (1 + LOADS.get(self._isolation, 0))
        return limits_s + MARGIN_S + JAILS_S.get(self._isolation, 0.0)

    async def _timed_victim(self) -> tuple[str, float]:
        await asyncio.sleep(0.15)  # until the attack is under way
        started = time.monotonic()
        word = await self._launcher.grade_innocent(self._victim_task)
        return word, time.monotonic() - started

    def _leaks(self, seen: Observation) -> Iterator[str]:
        secret = self._canary.path.read_text(encoding="ascii")
        if secret in seen.detail:
            yield "the result holds a secret of the host"


def _victim_program() -> Grader:
    assert isinstance(_VICTIM.program, Grader)
    return _VICTIM.program


@contextmanager
def _bait(
    stack: ExitStack, folder: Path, secret: str
) -> Iterator[tuple[Canary, dict[str, object]]]:
    """What an attacker would like to reach, and what the attacking sample's row says of it."""
    canary_folder = Path(tempfile.mkdtemp(prefix="canary-", dir=folder))
    canary = Canary(canary_folder, secret)
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
    abstract.bind(f"\0proctor-{secret}")
    abstract.listen()
    facts: dict[str, object] = {
        "canary": str(canary.path),
        "port": listener.getsockname()[1],
        "abstract": f"proctor-{secret}",
        "service_pid": os.getpid(),
        "host_name": socket.gethostname(),
        "sibling_mark": SIBLING_MARK,
    }
    try:
        yield canary, facts
    finally:
        shutil.rmtree(canary_folder, ignore_errors=True)


async def serve(
    setup: JailSetup, ablation: Ablation, isolation: Isolation, folder: Path, out: TextIO
) -> None:
    """Answer until there is nothing more to read."""
    secret = secrets.token_hex(16)
    uids = Uids(first=FIRST_UID, count=JAILS_MAX + 1)
    limits = PoolLimits(jails_max=JAILS_MAX, idle_s=0.0, executions_max=10_000, age_s=3600.0)
    if ablation is Ablation.NONE:
        await self_test(setup, uids, memory_bytes=EXECUTION_BYTES)
    with ExitStack() as stack, _bait(stack, folder, secret) as (canary, facts):
        async with Pool(setup, limits, uids) as pool:
            launcher = Launcher(pool, CpuSlots(3), isolation)
            service = AttackedService(launcher, pool, canary, facts, isolation)
            async with pool.lend(service.victim_key, service.victim_source) as victim:
                await service.warm_up(setup, victim.pid)
                print(json.dumps({"ready": True}), file=out, flush=True)
                while name := (await asyncio.to_thread(sys.stdin.readline)).strip():
                    report = await service.run(ATTACKS[name])
                    print(json.dumps(asdict(report)), file=out, flush=True)


def main() -> None:
    """Become who the profile says, and serve."""
    folder, profile, ablation = Path(sys.argv[1]), Profile(sys.argv[2]), Ablation(sys.argv[3])
    isolation = Isolation(sys.argv[4])
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    preparing.RENDER_S = RENDER_S
    configure_logs("attacked", "critical", json=False)
    # Whatever a dying jail leaves behind becomes a child of this process, and is seen.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    setup = jail_setup(folder, profile, ablation)
    own = folder / f"work-{os.getpid()}"
    own.mkdir(mode=0o777)
    own.chmod(0o777)
    if profile is Profile.UNPRIVILEGED and os.geteuid() == 0:
        os.chown(own, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    try:
        become(profile)
        uvloop.run(serve(setup, ablation, isolation, own, out))
    finally:
        remove_groups(setup)


if __name__ == "__main__":
    main()
