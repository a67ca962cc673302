"""A grader on loopback: it knows a few templates and one way of grading, and fails on demand."""

import ast
import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from proctor.sandbox.v1 import sandbox_service_pb2 as pb
from proctor.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceServicer
from servicekit.caller import current_caller
from servicekit.errors import Kind, ServiceError

Judge = Callable[[pb.GradeSample], pb.SampleOutcome]


class PreprocessFailed(ServiceError):
    kind = Kind.FAILED_PRECONDITION
    reason = "PREPROCESS_FAILED"


class SandboxUnavailable(ServiceError):
    kind = Kind.UNAVAILABLE
    reason = "SANDBOX_UNAVAILABLE"


def exact_match(sample: pb.GradeSample) -> pb.SampleOutcome:
    """Score whether the output is the target."""
    score = float(sample.output_text == sample.target)
    return pb.SampleOutcome(
        sample_id=sample.sample_id,
        outcome=pb.OUTCOME_SCORED,
        extracted_output=sample.output_text,
        scores_json=json.dumps({"score": score}).encode(),
    )


class FakeGrader(SandboxServiceServicer):
    """Grades with `judge`; `lose` names sample indices whose jail is lost that many times."""

    def __init__(self, judge: Judge = exact_match) -> None:
        self.judge = judge
        self.lose: Counter[int] = Counter()
        self.metrics: dict[str, float] | None = None
        self.graded: Counter[str] = Counter()
        self.tasks: list[pb.GradeTask] = []
        self.prepared: list[pb.PrepareTask] = []
        self.streams_to_break = 0
        self.may_prepare = asyncio.Event()
        self.may_prepare.set()
        self.prepared_items = 0
        self.may_grade = asyncio.Event()
        self.may_grade.set()
        self.never_waits: set[str] = set()

    async def CheckProgram(
        self, request: pb.CheckProgramRequest, context: Any
    ) -> pb.CheckProgramResponse:
        answer = pb.CheckProgramResponse()
        for program in request.programs:
            if program.kind == pb.PROGRAM_KIND_GRADER:
                names = _functions(program.source) & {"grade", "grade_batch"}
                answer.grader_entrypoints.append(",".join(sorted(names)))
                if not names:
                    reason = "GRADER_ENTRYPOINT_MISSING"
                    answer.violations.add(path=program.path, reason=reason, message="no grade")
            elif program.kind == pb.PROGRAM_KIND_TEMPLATE and "{%" in program.source:
                reason = "TEMPLATE_SYNTAX"
                answer.violations.add(path=program.path, reason=reason, message="bad template")
        return answer

    async def Prepare(
        self, request_iterator: AsyncIterator[pb.PrepareRequest], context: Any
    ) -> AsyncIterator[pb.PrepareResponse]:
        task: dict[str, Any] = {}
        examples: list[str] = []
        index, most = 0, None
        async for request in request_iterator:
            if request.WhichOneof("part") == "task":
                self.prepared.append(request.task)
                task = json.loads(request.task.task_json)
                most = request.task.max_items if request.task.HasField("max_items") else None
                if "raise" in task.get("preprocess", {}).get("source", ""):
                    raise PreprocessFailed("the preprocessor raised")
                continue
            rows = [json.loads(line) for line in request.rows.rows_jsonl.split(b"\n") if line]
            if request.rows.fewshot:
                examples += [_render(task["prompt_template"], row) for row in rows]
                continue
            answer = pb.PrepareResponse()
            for row in rows:
                if most is not None and index >= most:
                    break
                answer.items.append(_item(task, row, index, examples))
                index += 1
            yield answer
            self.prepared_items += len(answer.items)
            if current_caller().team_id not in self.never_waits:
                await self.may_prepare.wait()

    async def Grade(
        self, request_iterator: AsyncIterator[pb.GradeRequest], context: Any
    ) -> AsyncIterator[pb.GradeResponse]:
        aggregate, held = False, list[pb.GradeSample]()
        async for request in request_iterator:
            if request.WhichOneof("part") == "task":
                self.tasks.append(request.task)
                aggregate = request.task.aggregate
                continue
            if current_caller().team_id not in self.never_waits:
                await self.may_grade.wait()
            if self.streams_to_break:
                self.streams_to_break -= 1
                raise SandboxUnavailable("the grader is stopping")
            if aggregate:
                held.extend(request.samples.samples)
            else:
                yield pb.GradeResponse(outcomes=map(self._outcome, request.samples.samples))
        if aggregate:
            answer = pb.GradeResponse(outcomes=map(self._outcome, held))
            if self.metrics is not None:
                answer.aggregate.metrics_json = json.dumps(self.metrics).encode()
            yield answer

    def _outcome(self, sample: pb.GradeSample) -> pb.SampleOutcome:
        self.graded[sample.sample_id] += 1
        if self.lose[sample.sample_index]:
            self.lose[sample.sample_index] -= 1
            return pb.SampleOutcome(sample_id=sample.sample_id, outcome=pb.OUTCOME_JAIL_LOST)
        return self.judge(sample)


def _functions(source: str) -> set[str]:
    return {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def _item(task: dict[str, Any], row: dict[str, Any], index: int, examples: list[str]) -> pb.Item:
    item = pb.Item(sample_index=index, row_json=json.dumps(row).encode())
    try:
        item.prompt = "\n".join([*examples, _render(task.get("prompt_template", ""), row)])
        if "target_template" in task:
            item.target = _render(task["target_template"], row)
    except KeyError as error:
        item.error_code, item.error_message = "template_error", f"no column {error}"
        item.prompt = ""
    return item


def _render(template: str, row: dict[str, Any]) -> str:
    return re.sub(r"{{\s*(\w+)\s*}}", lambda found: str(row[found[1]]), template)
