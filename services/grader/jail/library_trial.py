"""Whether the modules that jails import once survive that: tried once for each root."""

import hashlib
from collections.abc import Sequence

from grader.inside.runner.preimports import PREIMPORTED_LIST
from grader.jail.config import JailSetup, policy_path
from grader.jail.selftest import SelfTestFailed, run_trial, trial_jail
from grader.jail.uids import Uids

# Imports what the runner has imported already, if it could, and counts the descriptors that an
# execution begins with: three for input and output, one to the host.
_TRIAL = """
import importlib, os
def grade(sample, item):
    held = {"descriptors": float(len([fd for fd in range(256) if is_open(fd)]) == 4)}
    for name in item["modules"]:
        importlib.import_module(name)
    return held
def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
"""


async def try_libraries(setup: JailSetup, uids: Uids, *, memory_bytes: int) -> None:
    """Import in a jail all that jails of this root import once, and look at what is left open.

    Raises:
        SelfTestFailed: a module cannot be imported under the limits of an execution, starts a
            thread or keeps a descriptor open.
    """
    root = setup.config.with_suffix("")
    modules = (root / PREIMPORTED_LIST.lstrip("/")).read_text(encoding="utf-8").split()
    passed = root.with_suffix(".tried")
    name = hashlib.sha256(setup.config.read_bytes() + policy_path().read_bytes()).hexdigest()
    if not modules or (passed.exists() and passed.read_text(encoding="ascii") == name):
        return
    if fault := await _fault(setup, uids, modules, memory_bytes):
        faults = {one: await _fault(setup, uids, [one], memory_bytes) for one in modules}
        told = "; ".join(f"{one}: {its_own}" for one, its_own in faults.items() if its_own)
        raise SelfTestFailed(
            f"jails cannot import once what GRADER_PREIMPORTED names ({told or fault}): take it out"
        )
    passed.write_text(name, encoding="ascii")


async def _fault(
    setup: JailSetup, uids: Uids, modules: Sequence[str], memory_bytes: int
) -> str | None:
    async with trial_jail(setup, uids, _TRIAL, modules) as jail:
        if not jail.is_single():
            return "it starts a thread"
        tried = await run_trial(jail, {"modules": modules}, memory_bytes)
    failure = tried.failure or (tried.result.failure if tried.result else None)
    if failure is not None:
        return failure.message
    if tried.result is None or not tried.result.scores["descriptors"]:
        return "it keeps a descriptor open"
    return None
