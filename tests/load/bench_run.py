"""CPU, memory and time of whole runs: real stack, mock upstream, one isolated grade a sample.

    python tests/load/bench_run.py [--samples 1000] [--latency-ms 0] [--concurrency 100]

starts a stack of its own, runs a suite with a trivial grader over the samples and prints, for each
repeat, wall time, samples per second, the share of the ideal (samples x latency / concurrency), CPU
milliseconds per sample by process, and the resident memory of each process at the end.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
PROCTOR = Path(sys.executable).with_name("proctor")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SERVICES = ("gateway", "orchestrator", "grader", "importer")

MODELS = """
[providers.mock]
base_url = "{url}"
max_in_flight = 2000

[models."mock"]
provider = "mock"
"""

GRADER = """
def grade(sample, item):
    return sample["extracted_output"] == item["target"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run cost.

    Attributes:
        wall_s: From the request that creates the run until it is seen completed.
        cpu_ms: CPU milliseconds per sample, by process; children and jails count for their parent.
        rss_mib: Resident memory after the run, by service.
    """

    wall_s: float
    cpu_ms: dict[str, float]
    rss_mib: dict[str, float]


def main() -> None:
    """Run the benchmark and print its figures."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="proctor-bench-") as folder:
        upstream, url = _start_upstream(arguments.latency_ms)
        try:
            models = Path(folder) / "models.toml"
            models.write_text(MODELS.format(url=url))
            stack = json.loads(_proctor("up", "--detach", "--json", *_state(folder), models))
            try:
                _measure(arguments, stack)
            finally:
                _proctor("down", "--state", f"{folder}/state")
        finally:
            upstream.terminate()
            upstream.wait(10)


def _measure(arguments: argparse.Namespace, stack: dict[str, Any]) -> None:
    cores = len(os.sched_getaffinity(0))
    print(
        f"{cores} cores, {arguments.samples} samples, {arguments.latency_ms:g} ms model, "
        f"{arguments.concurrency} calls in flight"
    )
    client = httpx.Client(
        base_url=f"{stack['base_url']}/api/v1/llm",
        headers={"authorization": f"Bearer {stack['api_key']}"},
        timeout=30,
    )
    suite_id = _suite(client, arguments.samples)
    _run(client, stack, suite_id, arguments)  # warms connections, jails and prepared statements
    figures = []
    for _ in range(arguments.repeats):
        figures.append(_run(client, stack, suite_id, arguments))
        _print(figures[-1], arguments)
    print(
        f"median {statistics.median(sum(f.cpu_ms.values()) for f in figures):.2f} ms CPU a sample"
    )


def _print(figures: Figures, arguments: argparse.Namespace) -> None:
    ideal_s = arguments.samples * arguments.latency_ms / 1000 / arguments.concurrency
    share = f", {100 * ideal_s / figures.wall_s:.0f} % of the ideal" if ideal_s else ""
    print(
        f"{figures.wall_s:.2f} s, {arguments.samples / figures.wall_s:.0f} samples/s{share}; "
        f"{sum(figures.cpu_ms.values()):.2f} ms CPU a sample"
    )
    print("  CPU ms:  ", ", ".join(f"{name} {ms:.2f}" for name, ms in figures.cpu_ms.items()))
    print("  RSS MiB: ", ", ".join(f"{name} {mib:.0f}" for name, mib in figures.rss_mib.items()))


def _suite(client: httpx.Client, samples: int) -> str:
    rows = "".join(f'{{"q": "{n} + 1", "a": "{n + 1}"}}\n' for n in range(samples))
    file_id = _json(
        client.post("/files", data={"purpose": "evals"}, files={"file": ("rows.jsonl", rows)})
    )["id"]
    task = {
        "id": "sums",
        "type": "numeric",
        "dataset": {"file_id": file_id},
        "prompt_template": "Compute: {{q}}",
        "target_template": "{{a}}",
        "grader": {"type": "python", "source": GRADER},
    }
    body = {"name": "bench", "manifest": {"tasks": [task]}}
    return str(_json(client.post("/evals/suites", json=body))["id"])


def _run(
    client: httpx.Client, stack: dict[str, Any], suite_id: str, arguments: argparse.Namespace
) -> Figures:
    before = {name: _cpu_s(pid) for name, pid in stack["pids"].items()}
    began = time.perf_counter()
    body = {
        "suite_id": suite_id,
        "models": ["mock"],
        "generation_concurrency": arguments.concurrency,
        "grader_concurrency": arguments.graders,
    }
    run = _json(client.post("/evals/runs", json=body))
    while run["status"] not in {"completed", "failed"}:
        time.sleep(0.1)
        run = _json(client.get(f"/evals/runs/{run['id']}"))
    wall_s = time.perf_counter() - began
    if run["request_counts"]["completed"] != arguments.samples:
        raise SystemExit(f"the run did not go well: {run}")
    after = {name: _cpu_s(pid) for name, pid in stack["pids"].items()}
    return Figures(
        wall_s=wall_s,
        cpu_ms={name: 1000 * (after[name] - before[name]) / arguments.samples for name in after},
        rss_mib={name: _rss_bytes(stack["pids"][name]) / 2**20 for name in SERVICES},
    )


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process, its living descendants and its children that were waited for."""
    fields = _stat(pid)
    own = sum(int(ticks) for ticks in fields[11:15]) / TICKS_PER_S
    return own + sum(_cpu_s(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    children = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children += [int(child) for child in (task / "children").read_text().split()]
        except OSError:  # the thread ended meanwhile
            continue
    return children


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it ended meanwhile
        return ["0"] * 50


def _rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def _json(response: httpx.Response) -> dict[str, Any]:
    return dict(response.raise_for_status().json())


def _state(folder: str) -> tuple[str, ...]:
    return ("--state", f"{folder}/state", "--models")


def _proctor(*arguments: str | Path) -> str:
    command = [str(PROCTOR), *(str(argument) for argument in arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout


def _start_upstream(latency_ms: float) -> tuple[subprocess.Popen[str], str]:
    script = ROOT / "tests" / "load" / "mock_upstream.py"
    command = [sys.executable, str(script), "--latency-ms", str(latency_ms)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if process.stdout is None:
        raise SystemExit("the mock upstream has no output")
    return process, str(json.loads(process.stdout.readline())["base_url"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cost of whole runs against a mock upstream.")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--concurrency", type=int, default=100, help="model calls in flight")
    parser.add_argument("--graders", type=int, default=4, help="grader executions at once")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
