"""What a graded sample costs: how many a second, how long one takes, how much CPU it uses.

    python tests/load/bench_grader.py [--samples 2000] [--slots 2] [--source FILE] [--isolation WAY]

starts the grader as a process of its own with real jails and prints a line for each way of
grading. With `--isolation` (once or more) it prints two for each of those ways instead, at once and
one sample after the other, for a grader whose module body takes a while, or `--source`. `cpu` is
that of the service and of everything in its jails together; `p50` is the median time of an
execution, from fork to reaped child, without a jail's start. A cold grade is the first of a run: it
starts a jail. Memory is the proportional share (PSS) of an idle jail: its nsjail and its runner.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import orjson
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc

from localstack.ports import free_port
from proctor.sandbox.v1 import sandbox_service_pb2 as pb
from proctor.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servicekit.caller import Caller, calling_as
from servicekit.client import open_channel

if TYPE_CHECKING:
    from proctor.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceAsyncStub

SECRET = "benchmark" * 4
TICKS = os.sysconf("SC_CLK_TCK")
BATCH = 200
CONCURRENCY = 25
COLD = 40
TOGETHER_SAMPLES = 1_000
START_S = 60.0
EACH = "def grade(sample, item):\n    return sample['extracted_output'] == item['target']\n"
# Some 40 ms of work before anything can be graded.
SLOW_TO_LOAD = """
SQUARES = {number: number * number % 9_973 for number in range(250_000)}

def grade(sample, item):
    return sample["extracted_output"] == item["target"] and SQUARES[1_000] == 2_700
"""
TOGETHER = (
    "def grade_batch(samples):\n    return [s['output_text'] == s['target'] for s in samples]\n"
)


@dataclass(frozen=True)
class Measured:
    """One way of grading."""

    samples: int
    took_s: float
    cpu_s: float
    run_times_ms: Sequence[float]

    def line(self, name: str) -> str:
        """One line for people."""
        return (
            f"{name:20} {self.samples / self.took_s:8.0f} samples/s"
            f"   p50 {statistics.median(self.run_times_ms):7.2f} ms"
            f"   cpu {self.cpu_s / self.samples * 1000:6.2f} ms a sample"
        )


@asynccontextmanager
async def running_grader(slots: int) -> AsyncIterator[tuple[int, "SandboxServiceAsyncStub"]]:
    """Process id and stub of a grader."""
    address = f"127.0.0.1:{free_port()}"
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "GRADER_RPC_ADDRESS": address,
        "GRADER_BRIDGE_ADDRESS": "127.0.0.1:1",
        "GRADER_INTERNAL_SECRET": SECRET,
        "GRADER_LOG_LEVEL": "warning",
        "GRADER_CPU_SLOTS": str(slots),
    }
    with subprocess.Popen([sys.executable, "-m", "grader"], env=environment) as process:  # noqa: ASYNC220 - before the clock runs
        try:
            async with open_channel(address, secret=SECRET.encode()) as channel:
                async with grpc.aio.insecure_channel(address) as plain:
                    await health_pb2_grpc.HealthStub(plain).Check(
                        health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=START_S
                    )
                with calling_as(Caller(org_id="org", team_id="team")):
                    yield process.pid, SandboxServiceStub(channel)
        finally:
            process.terminate()


async def graded(
    pid: int,
    stub: "SandboxServiceAsyncStub",
    source: str,
    count: int,
    *,
    concurrency: int = CONCURRENCY,
    aggregate: bool = False,
    isolation: str = "fresh",
) -> Measured:
    """Grade `count` samples, after a first few that start the jail."""
    contract = "batch" if aggregate else "sample"
    task = _task(source, contract=contract, concurrency=concurrency, isolation=isolation)
    await _drain(stub, task, 10)
    cpu_before, started = cpu_s(pid), time.perf_counter()
    outcomes = await _drain(stub, task, count)
    took_s = time.perf_counter() - started
    assert all(outcome.outcome == pb.OUTCOME_SCORED for outcome in outcomes), outcomes[0]
    return Measured(
        samples=len(outcomes),
        took_s=took_s,
        cpu_s=cpu_s(pid) - cpu_before,
        run_times_ms=[outcome.run_time.ToMicroseconds() / 1000 for outcome in outcomes],
    )


async def cold(stub: "SandboxServiceAsyncStub", source: str) -> Sequence[float]:
    """Milliseconds that one sample takes when a jail must be started for it, in order."""
    took_ms = []
    for number in range(COLD):
        started = time.perf_counter()
        await _drain(stub, _task(source, run_id=f"cold-{number}"), 1)
        took_ms.append((time.perf_counter() - started) * 1_000)
    return sorted(took_ms)


def idle_mib(pid: int) -> float:
    """MiB of the median jail that waits for work."""
    jails = [_pss_kib(jail) + sum(map(_pss_kib, _children(jail))) for jail in _children(pid)]
    return statistics.median(jails) / 1024


def _pss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


async def prepared(pid: int, stub: "SandboxServiceAsyncStub", count: int) -> Measured:
    """Prepare `count` rows."""
    task = {"id": "task", "prompt_template": "Q: {{ q }}\nA:", "target_template": "{{ a }}"}
    row = orjson.dumps({"q": "What is 17 + 25?", "a": 42})

    async def requests() -> AsyncIterator[pb.PrepareRequest]:
        yield pb.PrepareRequest(task=pb.PrepareTask(run_id="run", task_json=orjson.dumps(task)))
        for _ in range(0, count, BATCH):
            yield pb.PrepareRequest(rows=pb.RowBatch(rows_jsonl=b"\n".join([row] * BATCH)))

    cpu_before, started = cpu_s(pid), time.perf_counter()
    made = 0
    async for answer in stub.Prepare(requests()):
        made += len(answer.items)
    took_s = time.perf_counter() - started
    return Measured(
        samples=made, took_s=took_s, cpu_s=cpu_s(pid) - cpu_before, run_times_ms=[took_s * 1000]
    )


def cpu_s(pid: int) -> float:
    """CPU of a process, of those below it, and of those they have waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(int(ticks) for ticks in fields[11:15]) / TICKS
    return own + sum(cpu_s(child) for child in _children(pid))


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def _task(
    source: str,
    *,
    contract: str = "sample",
    run_id: str = "run",
    concurrency: int = CONCURRENCY,
    isolation: str = "fresh",
) -> pb.GradeTask:
    grader = {"type": "python", "contract": contract, "metric_id": "score", "source": source}
    return pb.GradeTask(
        run_id=run_id,
        task_id="task",
        model="model",
        grader_json=orjson.dumps(grader | {"isolation": isolation}),
        extraction_json=b'{"type":"number"}',
        concurrency=concurrency,
        aggregate=contract == "batch",
    )


async def _drain(
    stub: "SandboxServiceAsyncStub", task: pb.GradeTask, count: int
) -> list[pb.SampleOutcome]:
    async def requests() -> AsyncIterator[pb.GradeRequest]:
        yield pb.GradeRequest(task=task)
        for first in range(0, count, BATCH):
            batch = [_sample(index) for index in range(first, min(first + BATCH, count))]
            yield pb.GradeRequest(samples=pb.GradeSampleBatch(samples=batch))

    return [outcome async for answer in stub.Grade(requests()) for outcome in answer.outcomes]


def _sample(index: int) -> pb.GradeSample:
    return pb.GradeSample(
        sample_id=f"sample-{index}",
        sample_index=index,
        row_json=b'{"question":"What is 17 + 25?","answer":42}',
        prompt="Q: What is 17 + 25?\nA:",
        target="42",
        output_text="The answer is 42.",
    )


async def main(samples: int, slots: int, source: str) -> None:
    """Print a line for each way of grading."""
    async with running_grader(slots) as (pid, stub):
        each = await graded(pid, stub, source, samples)
        print(each.line("an execution each"))
        together = await graded(pid, stub, TOGETHER, TOGETHER_SAMPLES, aggregate=True)
        print(together.line("one execution"))
        print((await prepared(pid, stub, samples)).line("prepared rows"))
        took_ms = await cold(stub, source)
        middle, late = took_ms[COLD // 2], took_ms[COLD * 9 // 10]
        print(
            f"cold grade           min {took_ms[0]:.0f} ms, p50 {middle:.0f} ms, p90 {late:.0f} ms"
        )
        print(f"idle jail            {idle_mib(pid):.1f} MiB")


async def compare(samples: int, slots: int, source: str, isolations: Sequence[str]) -> None:
    """Print two lines for each way of isolation."""
    async with running_grader(slots) as (pid, stub):
        for isolation in isolations:
            at_once = await graded(pid, stub, source, samples, isolation=isolation)
            print(at_once.line(isolation))
            single = await graded(pid, stub, source, samples, isolation=isolation, concurrency=1)
            print(single.line(f"{isolation}, one by one"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--slots", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--source", type=Path)
    parser.add_argument("--isolation", action="append", choices=["fresh", "preload", "files"])
    options = parser.parse_args()
    text = options.source.read_text() if options.source else ""
    if options.isolation:
        ways = options.isolation
        uvloop.run(compare(options.samples, options.slots, text or SLOW_TO_LOAD, ways))
    else:
        uvloop.run(main(options.samples, options.slots, text or EACH))
