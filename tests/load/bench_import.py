"""Speed and memory of an import: harness output of one-kilobyte rows, a real stack, no hub.

    python tests/load/bench_import.py [--samples 100000] [--repeats 2]

starts a stack of its own, imports one file of that many samples from a folder and prints, for each
repeat, the size of the file, samples per second until they are stored, until the run is completed
(metrics and artifacts, too), CPU microseconds per sample by process, and the most memory that the
importing process and the orchestrator had.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from resource import struct_rusage
from typing import Any

import asyncpg

from localstack.services.environments import loopback
from localstack.stack.folder import StateFolder

PROCTOR = Path(sys.executable).with_name("proctor")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ROW_BYTES = 1024
PARTS = ("orchestrator", "postgres", "importer")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-import-") as temporary:
        place = Path(temporary)
        state = place / "state"
        told = _run("up", "--detach", "--json", "--state", str(state))
        try:
            for repeat in range(options.repeats):
                folder = place / f"out{repeat}" / "org__model"
                folder.mkdir(parents=True)
                path = folder / "samples_numbers_2026-03-01T10-20-30.jsonl"
                _write(path, options.samples, seed=repeat)
                _measure(path, json.loads(told), state, options.samples)
        finally:
            _run("down", "--state", str(state))


def _measure(path: Path, stack: dict[str, object], state: Path, samples: int) -> None:
    pids = stack["pids"]
    assert isinstance(pids, dict)
    before = {name: _cpu_s(pids[name]) for name in PARTS}
    began, began_at = time.perf_counter(), datetime.now(UTC)  # noqa: TID251 -- against Postgres
    report, importing = _import(path.parent.parent, state)
    completed_s = time.perf_counter() - began
    stored_at = asyncio.run(_stored_at(str(stack["postgres_dsn"]), report["files"][0]["run_id"]))
    stored_s = (stored_at - began_at).total_seconds()
    assert report["imported_samples"] == samples, report
    cpu = {name: _cpu_s(pids[name]) - before[name] for name in PARTS}
    cpu["import"] = importing.ru_utime + importing.ru_stime
    shares = ", ".join(f"{name} {1e6 * spent / samples:.1f}" for name, spent in cpu.items())
    print(
        f"{path.stat().st_size / 2**20:.0f} MiB, {samples} samples: "
        f"{samples / stored_s:,.0f}/s stored, {samples / completed_s:,.0f}/s completed; "
        f"CPU us/sample: {shares}; at most {importing.ru_maxrss / 1024:.0f} MiB in the importing "
        f"process, {_peak_mib(pids['orchestrator']):.0f} in the orchestrator"
    )


def _import(folder: Path, state: Path) -> tuple[dict[str, Any], struct_rusage]:
    kept = StateFolder(state)
    process = subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "importer", "import", "--org=local", "--team=local"),
            *(f"--suite-name=bench {folder.name}", str(folder)),
        ],
        stdout=subprocess.PIPE,
        env={
            "PATH": os.defpath,
            "IMPORTER_INTERNAL_SECRET": kept.secret("internal"),
            "IMPORTER_ORCHESTRATOR_ADDRESS": loopback(kept.kept_port("orchestrator")),
            "IMPORTER_MAX_RESULT_FILE_BYTES": str(8 * 2**30),
        },
    )
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return json.loads(printed), usage


async def _stored_at(dsn: str, run_id: str) -> datetime:
    connection = await asyncpg.connect(dsn)
    query = "SELECT dispatched_at FROM orchestrator.runs WHERE run_id = $1"
    moment: datetime = await connection.fetchval(query, run_id)
    await connection.close()
    return moment


def _write(path: Path, samples: int, *, seed: int) -> None:
    chosen = random.Random(seed)  # noqa: S311 -- rows, not secrets
    filling = "".join(chosen.choices("abcdefghij klmnop", k=4096))
    with path.open("wb") as file:
        for number in range(samples):
            row = {
                "doc_id": number,
                "doc": {"question": f"what is {number}?", "context": ""},
                "target": str(number),
                "arguments": {
                    "gen_args_0": {
                        "arg_0": f"Question: what is {number}?\nAnswer:",
                        "arg_1": {"until": ["\n"], "do_sample": False},
                    }
                },
                "resps": [[f"It is {number}."]],
                "filtered_resps": [str(number)],
                "filter": "none",
                "metrics": ["exact_match"],
                "doc_hash": "d" * 64,
                "prompt_hash": "p" * 64,
                "target_hash": "t" * 64,
                "exact_match": float(number % 3 == 0),
            }
            missing = ROW_BYTES - len(json.dumps(row)) - 1
            start = chosen.randrange(1000)
            row["doc"]["context"] = filling[start : start + missing]  # type: ignore[index]
            file.write(json.dumps(row).encode() + b"\n")


def _peak_mib(pid: int) -> float:
    (line,) = (
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    return int(line.split()[1]) / 1024


def _cpu_s(pid: int) -> float:
    """CPU of a process and of all below it."""
    total = 0.0
    for found in [pid, *_children(pid)]:
        try:
            fields = Path(f"/proc/{found}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        # Of children that ended as well, as its backends are for Postgres.
        total += sum(int(fields[place]) for place in (11, 12, 13, 14)) / TICKS_PER_S
    return total


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += [int(child), *_children(int(child))]
    return found


def _run(*words: str) -> str:
    done = subprocess.run([str(PROCTOR), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    main()
