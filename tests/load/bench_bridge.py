"""CPU that the bridge spends on a model call, measured from outside its process.

    python tests/load/bench_bridge.py [--calls 5000] [--concurrency 64] [--latency-ms 0]

starts the mock upstream and a bridge, each a process of its own, makes the calls over one stream
and prints a line for each kind of upstream. `bridge` is the figure that counts; it includes gRPC,
the token, both translations, the HTTP call and the log line. Postgres is not asked: a run without
a limit has no budget, and one with a limit costs one query for hundreds of calls.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import uvloop

from gateway.bridge.asking import Asker
from gateway.bridge.budget import CallBudget
from gateway.bridge.calling import ModelCalls
from gateway.bridge.catalogue import load_catalogue
from gateway.bridge.metering import UsageMeter
from gateway.bridge.rpc import SERVICE_NAME, ModelBridgeRpc
from gateway.bridge.run_tokens import RunTokens
from gateway.bridge.speech.fetching import Recordings
from gateway.bridge.speech.requests import SpeechRequests
from gateway.bridge.upstream import Upstream
from gateway.domain.run_token import RunGrant, mint_run_token
from gateway.domain.usage import UsageSum
from proctor.models.v1 import model_bridge_service_pb2 as pb
from proctor.models.v1.model_bridge_service_pb2_grpc import (
    ModelBridgeServiceStub,
    add_ModelBridgeServiceServicer_to_server,
)
from servicekit.caller import Caller, calling_as
from servicekit.client import open_channel
from servicekit.clock import SystemClock, utc_now
from servicekit.logs import configure_logs
from servicekit.public_web import PublicWeb
from servicekit.server import RpcServer

if TYPE_CHECKING:
    from proctor.models.v1.model_bridge_service_pb2_grpc import ModelBridgeServiceAsyncStub

SECRET = b"benchmark" * 4
TICKS = os.sysconf("SC_CLK_TCK")
MOCK_UPSTREAM = Path(__file__).with_name("mock_upstream.py")
WARM_UP_CALLS = 500
MODELS = """
[providers.mock]
base_url = "{url}"
api_key_env = "BENCH_KEY"
max_in_flight = 4096

[models.plain]
provider = "mock"
[models.chat]
provider = "mock"
api = "chat_completions"
[models.embed]
provider = "mock"
api = "embeddings"
"""


class NoUsage:
    """Only candidates call here, whose usage is not metered."""

    async def write(self, sums: Sequence[UsageSum]) -> None:
        raise AssertionError


class NoLedger:
    """Never asked: the run of the benchmark has no limit."""

    async def reserve(self, grant: RunGrant, *, most: int) -> int:
        raise NotImplementedError

    async def give_back(self, run_id: str, calls: int) -> None:
        raise NotImplementedError


async def serve(models_file: Path) -> None:
    """Be the bridge's process: print the port, serve until terminated."""
    configure_logs("gateway", "info", json=True)
    clock = SystemClock()
    async with (
        Upstream.open(max_response_bytes=8_000_000, trust_env=False) as upstream,
        PublicWeb.open() as public,
    ):
        tokens = RunTokens(SECRET, clock)
        calls = ModelCalls(
            tokens=tokens,
            catalogue=load_catalogue(models_file, {"BENCH_KEY": "sk-benchmark-0123456789"}),
            budget=CallBudget(NoLedger(), chunk=256),
            meter=UsageMeter(NoUsage()),
            asker=Asker(upstream, clock),
            speech=SpeechRequests(Recordings(public), at_once=1),
            clock=clock,
        )
        bridge = ModelBridgeRpc(calls, tokens, stream_max_in_flight=4096)
        server = RpcServer(
            address="127.0.0.1:0",
            secret=SECRET,
            services=[(add_ModelBridgeServiceServicer_to_server, bridge, SERVICE_NAME)],
        )
        sys.stdout.write(orjson.dumps({"port": server.port}).decode() + "\n")
        sys.stdout.flush()
        await server.run()


@dataclass(frozen=True)
class Child:
    process: subprocess.Popen[str]
    said: dict[str, object]

    def cpu_s(self) -> float:
        """Processor time so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def child(*command: str) -> Iterator[Child]:
    """A Python process that says one JSON line when it is ready; its log goes nowhere."""
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield Child(process, orjson.loads(process.stdout.readline()))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)


@dataclass(frozen=True)
class Load:
    model: str
    calls: int
    concurrency: int
    prompt: str

    def requests(self, run_token: str) -> Iterator[pb.GenerateRequest]:
        endpoint = pb.ENDPOINT_EMBEDDINGS if self.model == "embed" else pb.ENDPOINT_RESPONSES
        for number in range(self.calls):
            body: dict[str, object] = {"model": self.model, "input": f"{number} {self.prompt}"}
            if endpoint == pb.ENDPOINT_RESPONSES:
                body |= {"store": True, "temperature": 0, "max_output_tokens": 512}
            call = pb.ModelCall(
                run_token=run_token,
                purpose=pb.PURPOSE_CANDIDATE,
                endpoint=endpoint,
                body_json=orjson.dumps(body),
                include_body=self.model == "embed",
                sample_id=f"sample_{number}",
            )
            yield pb.GenerateRequest(request_id=str(number), call=call)


async def drive(stub: "ModelBridgeServiceAsyncStub", load: Load) -> None:
    """Make the calls over one stream, `concurrency` at a time."""
    grant = RunGrant(
        run_id="run_bench", org_id="org", team_id="team", candidates=("plain", "chat", "embed")
    )
    run_token = mint_run_token(grant, SECRET, now=utc_now())
    free = asyncio.Semaphore(load.concurrency)

    async def paced() -> AsyncIterator[pb.GenerateRequest]:
        for request in load.requests(run_token):
            await free.acquire()
            yield request

    with calling_as(Caller(org_id="org", team_id="team")):
        answers = stub.Generate(paced())
    async for answer in answers:
        assert answer.WhichOneof("result") == "answer", answer
        free.release()


async def measure(bridge: Child, upstream: Child, loads: list[Load]) -> None:
    address = f"127.0.0.1:{bridge.said['port']}"
    async with open_channel(address, secret=SECRET) as channel:
        stub = ModelBridgeServiceStub(channel)
        for load in loads:
            await drive(stub, Load(load.model, WARM_UP_CALLS, load.concurrency, load.prompt))
            began, bridge_s, upstream_s = time.perf_counter(), bridge.cpu_s(), upstream.cpu_s()
            own_s = time.process_time()
            await drive(stub, load)
            wall_s = time.perf_counter() - began
            figures = {
                "model": load.model,
                "calls": load.calls,
                "concurrency": load.concurrency,
                "calls_per_s": round(load.calls / wall_s),
                "bridge_cpu_us": round((bridge.cpu_s() - bridge_s) / load.calls * 1e6),
                "caller_cpu_us": round((time.process_time() - own_s) / load.calls * 1e6),
                "upstream_cpu_us": round((upstream.cpu_s() - upstream_s) / load.calls * 1e6),
            }
            sys.stdout.write(orjson.dumps(figures).decode() + "\n")
            sys.stdout.flush()


def run(arguments: argparse.Namespace) -> None:
    prompt = "x" * arguments.prompt_chars
    loads = [
        Load(model, arguments.calls, arguments.concurrency, prompt)
        for model in ("plain", "chat", "embed")
    ]
    with tempfile.TemporaryDirectory() as folder:
        models_file = Path(folder) / "models.toml"
        with child(str(MOCK_UPSTREAM), "--latency-ms", str(arguments.latency_ms)) as upstream:
            models_file.write_text(MODELS.format(url=upstream.said["base_url"]))
            with child(__file__, "--serve", str(models_file)) as bridge:
                in_loop(measure(bridge, upstream, loads))


def in_loop(main: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(description="CPU per call of the model bridge.")
    _parser.add_argument("--calls", type=int, default=5000)
    _parser.add_argument("--concurrency", type=int, default=64)
    _parser.add_argument("--latency-ms", type=float, default=0.0)
    _parser.add_argument("--prompt-chars", type=int, default=500)
    _parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    _arguments = _parser.parse_args()
    if _arguments.serve:
        with contextlib.suppress(KeyboardInterrupt):
            in_loop(serve(_arguments.serve))
    else:
        run(_arguments)
