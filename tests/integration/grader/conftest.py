"""A grader over real jails, called over gRPC, and a model bridge that answers as told."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
import pytest
from pydantic import SecretStr

from attacks.room import UID_FIRST
from grader.app import build
from grader.settings import Settings
from proctor.models.v1 import model_bridge_service_pb2 as bridge_pb2
from proctor.models.v1.model_bridge_service_pb2_grpc import (
    ModelBridgeServiceServicer,
    add_ModelBridgeServiceServicer_to_server,
)
from proctor.sandbox.v1 import sandbox_service_pb2 as pb
from proctor.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servicekit.caller import Caller, calling_as, current_caller
from servicekit.client import open_channel
from servicekit.server import RpcServer

if TYPE_CHECKING:  # the generated stubs know it; at run time there is one class for both
    from proctor.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceAsyncStub

SECRET = "s" * 32
TEAM = Caller(org_id="org", team_id="team")
EXACT = "def grade(sample, item):\n    return sample['extracted_output'] == item['target']\n"
JUDGED = """
def grade(sample, item, ctx):
    answer = ctx.responses_create(input=sample["prompt"])
    return {"score": float(answer["output_text"]), "judge": {"used": ctx.model_calls_used}}
"""


@dataclass
class FakeBridge(ModelBridgeServiceServicer):
    """Answers each call with the text of its input, after `together` of them are in flight.

    It takes `latency_s` for an answer, pads a text answer to `answer_chars`, and sends `body_json`
    as the upstream's.
    """

    together: int = 1
    latency_s: float = 0.0
    answer_chars: int = 0
    body_json: bytes = b'{"id":"answer","object":"response"}'
    refused_tokens: set[str] = field(default_factory=set)
    calls: list[bridge_pb2.ModelCall] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    in_flight: int = 0
    in_flight_max: int = 0
    teams: set[str] = field(default_factory=set)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def Generate(  # type: ignore[override] # it writes instead of yielding
        self,
        request_iterator: AsyncIterator[bridge_pb2.GenerateRequest],
        context: object,
    ) -> None:
        self.teams.add(current_caller().team_id)
        async with asyncio.TaskGroup() as answers:
            async for request in request_iterator:
                if request.HasField("cancel"):
                    self.cancelled.append(request.request_id)
                    continue
                self.calls.append(request.call)
                if len(self.calls) >= self.together:
                    self.enough.set()
                answers.create_task(self._answer(request, context))

    async def RenewRunToken(
        self, request: bridge_pb2.RenewRunTokenRequest, context: object
    ) -> bridge_pb2.RenewRunTokenResponse:
        return bridge_pb2.RenewRunTokenResponse(run_token=f"{request.run_token}-renewed")

    async def _answer(self, request: bridge_pb2.GenerateRequest, context: object) -> None:
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight, self.in_flight_max)
        await self.enough.wait()
        await asyncio.sleep(self.latency_s)
        self.in_flight -= 1
        response = bridge_pb2.GenerateResponse(request_id=request.request_id)
        body = orjson.loads(request.call.body_json)
        if request.call.run_token in self.refused_tokens:
            response.failure.code = "run_token_invalid"
        elif body["input"] == "fail":
            response.failure.code = "model_http_500"
            response.failure.message = "the model is ill"
            response.failure.http_status = 500
            response.failure.upstream_body = "oops"
        elif request.call.endpoint == bridge_pb2.ENDPOINT_EMBEDDINGS:
            data = [{"index": 0, "embedding": [len(body["input"]), 0.5]}]
            response.answer.body_json = orjson.dumps({"object": "list", "data": data})
        else:
            response.answer.output_text = str(body["input"]).ljust(self.answer_chars)
            response.answer.body_json = self.body_json
        async with self.writing:
            await context.write(response)  # type: ignore[attr-defined] # gRPC's context


@dataclass(frozen=True)
class Grader:
    """A running grader as a service of ours sees it."""

    stub: "SandboxServiceAsyncStub"
    bridge: FakeBridge
    bridge_server: asyncio.Task[None]

    async def grade(
        self, task: pb.GradeTask, samples: Iterable[pb.GradeSample]
    ) -> dict[str, pb.SampleOutcome]:
        """Grade samples in batches of three."""
        outcomes: dict[str, pb.SampleOutcome] = {}
        async for answer in self.stub.Grade(grade_requests(task, list(samples))):
            for outcome in answer.outcomes:
                assert outcome.sample_id not in outcomes
                outcomes[outcome.sample_id] = outcome
        return outcomes

    async def prepare(self, task: pb.PrepareTask, *batches: pb.RowBatch) -> list[pb.Item]:
        """Prepare rows, of which each batch is a message."""

        async def requests() -> AsyncIterator[pb.PrepareRequest]:
            yield pb.PrepareRequest(task=task)
            for batch in batches:
                yield pb.PrepareRequest(rows=batch)

        return [item async for answer in self.stub.Prepare(requests()) for item in answer.items]


async def grade_requests(
    task: pb.GradeTask, samples: Sequence[pb.GradeSample]
) -> AsyncIterator[pb.GradeRequest]:
    """Yield the messages of a whole grading."""
    yield pb.GradeRequest(task=task)
    for first in range(0, len(samples), 3):
        batch = pb.GradeSampleBatch(samples=samples[first : first + 3])
        yield pb.GradeRequest(samples=batch)


def grade_task(
    source: str = EXACT,
    *,
    run_token: str = "",
    judge_model: str | None = None,
    embedding_model: str | None = None,
    concurrency: int = 4,
    aggregate: bool = False,
    extraction: Mapping[str, object] | None = None,
    **settings: object,
) -> pb.GradeTask:
    """A grading; `settings` are the grader's own."""
    defaults = {"type": "python", "contract": "sample", "metric_id": "score", "timeout_seconds": 10}
    return pb.GradeTask(
        run_id="run",
        task_id="task",
        model="model",
        grader_json=orjson.dumps(defaults | settings | {"source": source}),
        extraction_json=orjson.dumps(extraction or {"type": "none"}),
        concurrency=concurrency,
        aggregate=aggregate,
        run_token=run_token,
        judge_model=judge_model,
        embedding_model=embedding_model,
    )


def sample(index: int, *, prompt: str = "1", output: str = "x", **row: object) -> pb.GradeSample:
    """A sample whose target is `x`."""
    return pb.GradeSample(
        sample_id=f"sample-{index}",
        sample_index=index,
        row_json=orjson.dumps(row),
        prompt=prompt,
        target="x",
        output_text=output,
    )


def rows(*values: Mapping[str, object], fewshot: bool = False) -> pb.RowBatch:
    """One batch of rows."""
    return pb.RowBatch(rows_jsonl=b"\n".join(map(orjson.dumps, values)), fewshot=fewshot)


@asynccontextmanager
async def running_grader(bridge: FakeBridge, **settings: object) -> AsyncIterator[Grader]:
    """A grader on a free port, and the bridge it calls."""
    bridge_server = RpcServer(
        address="127.0.0.1:0",
        secret=SECRET.encode(),
        services=(
            (
                add_ModelBridgeServiceServicer_to_server,
                bridge,
                "proctor.models.v1.ModelBridgeService",
            ),
        ),
        stop_grace_s=0.1,
    )
    chosen = Settings.model_validate(
        {
            "rpc_address": "127.0.0.1:0",
            "bridge_address": f"127.0.0.1:{bridge_server.port}",
            "internal_secret": SecretStr(SECRET),
            "jail_uid_first": UID_FIRST,
            "cpu_slots": 2,
            **settings,
        }
    )
    async with build(chosen) as loops, asyncio.TaskGroup() as tasks:
        bridging = tasks.create_task(bridge_server.run())
        running = [bridging, *(tasks.create_task(loop.run()) for loop in loops)]
        server = loops[0]
        assert isinstance(server, RpcServer)
        try:
            async with open_channel(f"127.0.0.1:{server.port}", secret=SECRET.encode()) as channel:
                with calling_as(TEAM):
                    yield Grader(SandboxServiceStub(channel), bridge, bridging)
        finally:
            for task in running:
                task.cancel()


@pytest.fixture
async def grader() -> AsyncIterator[Grader]:
    async with running_grader(FakeBridge()) as grader:
        yield grader
