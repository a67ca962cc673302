"""What a model call costs beyond the model: from `ctx.responses_create` in a jail to its answer.

    python tests/load/bench_round_trip.py [--calls 500] [--executions 4]

starts a grader with real jails and a bridge that answers at once, each a process of its own. One
execution after the other calls the model `--calls` times and looks at the clock in the jail; the
line has the medians and 99th percentiles of all calls, and the CPU of each side for one call.
"""

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import uvloop

from localstack.ports import free_port
from proctor.models.v1 import model_bridge_service_pb2 as bridge_pb2
from proctor.models.v1.model_bridge_service_pb2_grpc import (
    ModelBridgeServiceServicer,
    add_ModelBridgeServiceServicer_to_server,
)
from proctor.sandbox.v1 import sandbox_service_pb2 as pb
from proctor.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servicekit.caller import Caller, calling_as
from servicekit.client import open_channel
from servicekit.logs import configure_logs
from servicekit.server import RpcServer

if TYPE_CHECKING:
    from gateway.bridge.rpc import AnswerWriter
    from proctor.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceAsyncStub

SECRET = "benchmark" * 4
TICKS = os.sysconf("SC_CLK_TCK")
START_S = 60.0
WARM_UP_CALLS = 20
SOURCE = """
import time

def grade(sample, item, ctx):
    took_us = []
    for _ in range(item["calls"]):
        started = time.perf_counter()
        ctx.responses_create(input=sample["prompt"])
        took_us.append(round((time.perf_counter() - started) * 1e6))
    return {"score": 1.0, "judge": {"took_us": took_us[item["warm_up"]:]}}
"""


class InstantBridge(ModelBridgeServiceServicer):
    """Answers each call as soon as it is read, with a response of a usual size."""

    async def Generate(  # type: ignore[override] # it writes instead of yielding
        self,
        request_iterator: AsyncIterator[bridge_pb2.GenerateRequest],
        context: "AnswerWriter",
    ) -> None:
        content = [{"type": "output_text", "text": "Yes.", "annotations": []}]
        message = {"type": "message", "role": "assistant", "content": content}
        body = orjson.dumps({"id": "resp_1", "object": "response", "output": [message]})
        async for request in request_iterator:
            answer = bridge_pb2.ModelAnswer(output_text="Yes.", body_json=body)
            await context.write(
                bridge_pb2.GenerateResponse(request_id=request.request_id, answer=answer)
            )

    async def RenewRunToken(
        self, request: bridge_pb2.RenewRunTokenRequest, context: object
    ) -> bridge_pb2.RenewRunTokenResponse:
        raise NotImplementedError


async def serve(address: str) -> None:
    """Be the bridge's process until terminated."""
    configure_logs("gateway", "warning", json=True)
    server = RpcServer(
        address=address,
        secret=SECRET.encode(),
        services=(
            (
                add_ModelBridgeServiceServicer_to_server,
                InstantBridge(),
                "proctor.models.v1.ModelBridgeService",
            ),
        ),
    )
    await server.run()


@contextmanager
def child(*command: str, **environment: str) -> Iterator[int]:
    """A Python process; its id."""
    own = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    with subprocess.Popen([sys.executable, *command], env=own) as process:
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)


async def called(stub: "SandboxServiceAsyncStub", calls: int, executions: int) -> list[int]:
    """How many microseconds each call took, of `executions` one after the other."""
    settings = {"contract": "model_backed", "metric_id": "score", "model_access": "mka1"}
    grader = {"type": "python", **settings, "max_model_calls": 500, "source": SOURCE}
    task = pb.GradeTask(
        run_id="run",
        task_id="task",
        model="model",
        judge_model="judge",
        grader_json=orjson.dumps(grader),
        extraction_json=b'{"type":"none"}',
        concurrency=1,
    )

    async def requests() -> AsyncIterator[pb.GradeRequest]:
        yield pb.GradeRequest(task=task)
        row = orjson.dumps({"calls": calls, "warm_up": WARM_UP_CALLS})
        for index in range(executions):
            sample = pb.GradeSample(
                sample_id=f"sample-{index}", sample_index=index, row_json=row, prompt="x" * 500
            )
            yield pb.GradeRequest(samples=pb.GradeSampleBatch(samples=[sample]))

    took_us: list[int] = []
    async for answer in stub.Grade(requests()):
        for outcome in answer.outcomes:
            assert outcome.outcome == pb.OUTCOME_SCORED, outcome
            took_us += orjson.loads(outcome.judge_json)["took_us"]
    return took_us


def cpu_s(pid: int) -> float:
    """CPU of one process, without those below it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(address: str, calls: int, executions: int, pids: tuple[int, int]) -> None:
    async with open_channel(address, secret=SECRET.encode()) as channel:
        async with asyncio.timeout(START_S):
            await channel.channel_ready()
        with calling_as(Caller(org_id="org", team_id="team")):
            stub = SandboxServiceStub(channel)
            await called(stub, WARM_UP_CALLS + 1, 1)
            before = [cpu_s(pid) for pid in pids]
            took_us = await called(stub, calls, executions)
    grader_us, bridge_us = (
        (cpu_s(pid) - was) / (calls * executions) * 1e6
        for pid, was in zip(pids, before, strict=True)
    )
    print(
        f"round trip  p50 {statistics.median(took_us) / 1000:.3f} ms"
        f"   p99 {statistics.quantiles(took_us, n=100)[98] / 1000:.3f} ms"
        f"   cpu: grader {grader_us:.0f} us, bridge {bridge_us:.0f} us a call"
    )


def run(calls: int, executions: int) -> None:
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    environment = {
        "GRADER_RPC_ADDRESS": addresses[0],
        "GRADER_BRIDGE_ADDRESS": addresses[1],
        "GRADER_INTERNAL_SECRET": SECRET,
        "GRADER_LOG_LEVEL": "warning",
    }
    with (
        child(__file__, "--serve", addresses[1]) as bridge,
        child("-m", "grader", **environment) as grader,
    ):
        in_loop(measure(addresses[0], calls, executions, (grader, bridge)))


def in_loop(main: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(description=__doc__)
    _parser.add_argument("--calls", type=int, default=500, help="of each execution; at most 500")
    _parser.add_argument("--executions", type=int, default=4)
    _parser.add_argument("--serve", help=argparse.SUPPRESS)
    _arguments = _parser.parse_args()
    if _arguments.serve:
        in_loop(serve(_arguments.serve))
    else:
        run(_arguments.calls, _arguments.executions)
