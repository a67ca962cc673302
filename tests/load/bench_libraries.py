"""What libraries cost graders: imported by each execution, and once for all of them in a jail.

    python tests/load/bench_libraries.py [--executions 20] ["import library" ...]

prints a line for each import, with GRADER_LIBRARIES and GRADER_PREIMPORTED as they are set. The
time of an execution is its median, CPU its least; the jail's start is with the import in it, and
its memory the runner's proportional share (PSS). An import pays once a jail when it costs an
execution more than a millisecond or two: a larger runner makes each fork dearer.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.app import jail_setup
from grader.domain.grading import imported_modules
from grader.jail.config import JailSetup
from grader.jail.selftest import run_trial, trial_jail
from grader.jail.uids import Uids
from grader.settings import Settings

DEFAULT = (
    "pass",
    "import numpy",
    "from rapidfuzz import fuzz, process",
    "import sacrebleu",
    "from rouge_score import rouge_scorer",
    "import sympy",
    "import jinja2",
    "import regex",
)
# A library that is in every root and imported once in none: with it a jail is ready for libraries.
READY = "markupsafe"
MIB = 1024 * 1024
# Of this process's jails alone, whoever else measures on the same machine.
UID_FIRST = 1_100_000_000 + os.getpid() * 100


@dataclass(frozen=True)
class Measured:
    """One import in one way."""

    start_ms: float
    execution_ms: float
    cpu_ms: float
    jail_mib: float

    def text(self) -> str:
        """A part of a line for people."""
        return (
            f"{self.execution_ms:7.1f} ms {self.cpu_ms:6.1f} ms CPU"
            f"   jail {self.start_ms:5.0f} ms {self.jail_mib:5.1f} MiB"
        )


async def measured(
    setup: JailSetup, statement: str, imports: Sequence[str], executions: int
) -> Measured:
    """Start a jail that is told of `imports`, and run `statement` in each of its executions."""
    source = f"{statement}\ndef grade(sample, item):\n    return 1\n"
    started = time.perf_counter()
    async with trial_jail(setup, Uids(first=UID_FIRST, count=1), source, imports) as jail:
        start_ms = (time.perf_counter() - started) * 1000
        tried = [await run_trial(jail, {}, 512 * MIB) for _ in range(executions)]
        jail_mib = _runner_mib(jail.pid)
    failures = [one.failure or (one.result and one.result.failure) for one in tried]
    assert not any(failures), f"{statement}: {failures[0]}"
    return Measured(
        start_ms=start_ms,
        execution_ms=statistics.median(one.run_time_s for one in tried) * 1000,
        cpu_ms=min(one.ending.cpu_s for one in tried if one.ending) * 1000,
        jail_mib=jail_mib,
    )


def _runner_mib(nsjail: int) -> float:
    runner = Path(f"/proc/{nsjail}/task/{nsjail}/children").read_text().split()[0]
    lines = Path(f"/proc/{runner}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


async def main(statements: Sequence[str], executions: int) -> None:
    """Print a line for each import."""
    dummies = {"rpc_address": "-", "bridge_address": "-", "internal_secret": "-" * 32}
    setup = jail_setup(Settings.model_validate(dummies))
    for statement in statements:
        each = await measured(setup, statement, [READY], executions)
        once = await measured(setup, statement, imported_modules(statement), executions)
        print(f"{statement:38} each {each.text()}   once {once.text()}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("statements", nargs="*", default=DEFAULT)
    parser.add_argument("--executions", type=int, default=20)
    options = parser.parse_args()
    asyncio.run(main(options.statements, options.executions))
