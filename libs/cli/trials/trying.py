"""Try a grader: start one that serves nobody else, check the program, grade, end it."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from cli.errors import NothingGraded
from cli.trials.models import (
    EMBEDDING_MODEL,
    JUDGE_MODEL,
    Answers,
    AskedCall,
    PlayedBridge,
    playing,
)
from cli.trials.program import TrialProgram
from cli.trials.results import Trial, tried_execution, tried_sample
from cli.trials.samples import SAMPLE_BYTES_MAX, Facts, GivenSample, facts_of
from localstack.services.lone_grader import new_secret, running_grader
from manifest.programs import programs
from manifest.schema import Manifest, Task, normalised_json
from proctor.common.v1.usage_pb2 import TokenUsage
from proctor.sandbox.v1 import sandbox_service_pb2 as pb
from proctor.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servicekit.caller import Caller, calling_as
from servicekit.client import open_channel
from servicekit.errors import ServiceError

if TYPE_CHECKING:  # the generated stubs know it; at run time there is one class for both
    from proctor.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceAsyncStub

_CALLER = Caller(org_id="local", team_id="trial")
_RUN_TOKEN = "trial"  # noqa: S105 - the bridge of a trial asks for none
_RENDERING = "trial"
_CONCURRENCY = 25  # as a run's most
_TOLD_MIN, _TOLD_TIMES = 100, 10  # how often a long trial says how far it is
_BATCH_MAX = 500
_BATCH_BYTES_MAX = SAMPLE_BYTES_MAX
_OWN_TASK = "manifest.tasks[0]."


async def tried(
    program: TrialProgram,
    samples: Sequence[GivenSample],
    *,
    answers: Answers,
    environment: Mapping[str, str],
    progress: Callable[[str], None] = lambda _: None,
) -> Trial:
    """Grade samples as a run would and return what came of them.

    Args:
        program: what to try.
        samples: numbered.
        answers: what models say.
        environment: the caller's; what begins with `GRADER_` sets the grader.
        progress: is told what happens.

    Raises:
        NothingGraded: the program is refused, or the grader ended.
        LocalStackError: jails do not work here.
    """
    facts = facts_of(samples, task_id=program.task.id)
    bridge = PlayedBridge(answers)
    progress("Starting a grader.")
    secret = new_secret()
    async with (
        playing(bridge, secret=secret) as bridge_port,
        running_grader(bridge_port=bridge_port, secret=secret, environment=environment) as address,
        _stub(address, secret) as stub,
    ):
        aggregate = await _checked(stub, program)
        progress(f"Grading {len(samples)} {'sample' if len(samples) == 1 else 'samples'}.")
        rendered = await _rendered(stub, program, samples)
        task = _task(program, facts, aggregate=aggregate)
        outcomes, end = await _graded(stub, task, rendered, progress)
    return _trial(rendered, outcomes, end, bridge.calls)


@asynccontextmanager
async def _stub(address: str, secret: str) -> AsyncIterator["SandboxServiceAsyncStub"]:
    try:
        async with open_channel(address, secret=secret.encode()) as channel:
            with calling_as(_CALLER):
                yield SandboxServiceStub(channel)
    except ServiceError as error:
        raise NothingGraded(f"The grader gave no results: {error.message}") from error


async def _checked(stub: "SandboxServiceAsyncStub", program: TrialProgram) -> bool:
    """Check the program as a new version's is, and tell whether one execution grades all."""
    alone = Manifest.model_construct(tasks=(program.task,))
    kinds = [
        pb.Program(
            path=found.path.replace(f"{_OWN_TASK}grader.source", program.filename).removeprefix(
                _OWN_TASK
            ),
            kind=pb.ProgramKind.Value(f"PROGRAM_KIND_{found.kind.name}"),
            source=found.source,
            contract=found.contract,
            group_json=found.group_json,
        )
        for found in programs(alone)
    ]
    answer = await stub.CheckProgram(pb.CheckProgramRequest(programs=kinds))
    entrypoints = answer.grader_entrypoints[0].split(",") if answer.grader_entrypoints else []
    if answer.violations:
        sentences = [f"{found.path}: {found.message}" for found in answer.violations]
        missing = any(found.reason == "GRADER_ENTRYPOINT_MISSING" for found in answer.violations)
        hint = _contract_hint(entrypoints) if missing else []
        raise NothingGraded(sentences[0], details=[*sentences[1:], *hint])
    execution = program.grader.execution
    return execution == "aggregate" or (execution is None and "grade" not in entrypoints)


def _contract_hint(entrypoints: Sequence[str]) -> list[str]:
    if "grade_batch" in entrypoints:
        return ["It defines grade_batch: try --contract batch."]
    if "grade" in entrypoints:
        return ["It defines grade: try --contract sample."]
    return []


async def _rendered(
    stub: "SandboxServiceAsyncStub", program: TrialProgram, samples: Sequence[GivenSample]
) -> list[GivenSample]:
    """Fill in what follows from the rows: the target, and with a manifest prompt and choices."""
    places = [
        place for place, sample in enumerate(samples) if _lacks_what_its_row_says(sample, program)
    ]
    ready = list(samples)
    if not places:
        return ready
    # A row is given as the preprocessor left it; examples need other rows.
    task = program.task.model_copy(
        update={"preprocess": None, "fewshot": None, "num_fewshot": None}
    )
    rows = [json.dumps(samples[place].columns).encode() for place in places]
    items: dict[int, pb.Item] = {}
    async for answer in stub.Prepare(_prepare_requests(task, rows)):
        items |= {item.sample_index: item for item in answer.items}
    for number, place in enumerate(places):
        ready[place] = _completed(samples[place], items[number])
    return ready


def _lacks_what_its_row_says(sample: GivenSample, program: TrialProgram) -> bool:
    if program.renders:
        return bool(sample.columns) and (sample.target is None or sample.prompt is None)
    return sample.target is None and "target" in sample.columns


def _completed(sample: GivenSample, item: pb.Item) -> GivenSample:
    if item.error_code:
        raise NothingGraded(
            f"The templates cannot be filled in from the row of {sample.id}: {item.error_message}",
            details=["Complete its row, or give the sample's own `prompt` and `target`."],
        )
    update: dict[str, object] = {}
    if sample.target is None and item.HasField("target"):
        update["target"] = item.target
    if sample.prompt is None:
        update["prompt"] = item.prompt
    if sample.choices is None and item.choices_json:
        update["choices"] = tuple(json.loads(item.choices_json))
    return sample.model_copy(update=update)


async def _prepare_requests(task: Task, rows: Sequence[bytes]) -> AsyncIterator[pb.PrepareRequest]:
    named = pb.PrepareTask(run_id=_RENDERING, task_json=normalised_json(task))
    yield pb.PrepareRequest(task=named)
    for row in rows:
        yield pb.PrepareRequest(rows=pb.RowBatch(rows_jsonl=row))


def _task(program: TrialProgram, facts: Facts, *, aggregate: bool) -> pb.GradeTask:
    execution = "aggregate" if aggregate else "per_sample"
    grader = program.grader.model_copy(update={"execution": execution})
    return pb.GradeTask(
        run_id=facts.run_id,
        task_id=facts.task_id,
        model=facts.model,
        grader_json=normalised_json(grader),
        extraction_json=normalised_json(program.task.output_extraction),
        aggregate=aggregate,
        concurrency=_CONCURRENCY,
        run_token=_RUN_TOKEN,
        judge_model=JUDGE_MODEL,
        embedding_model=EMBEDDING_MODEL,
        include_output=True,
    )


async def _graded(
    stub: "SandboxServiceAsyncStub",
    task: pb.GradeTask,
    samples: Sequence[GivenSample],
    progress: Callable[[str], None],
) -> tuple[dict[str, pb.SampleOutcome], pb.GradeResponse | None]:
    """Return the outcomes by sample, and the end of an execution that graded them together."""
    outcomes: dict[str, pb.SampleOutcome] = {}
    end: pb.GradeResponse | None = None
    told = 0
    async for answer in stub.Grade(_grade_requests(task, samples)):
        outcomes |= {outcome.sample_id: outcome for outcome in answer.outcomes}
        end = answer if answer.HasField("execution") else end
        if told + max(_TOLD_MIN, len(samples) // _TOLD_TIMES) <= len(outcomes) < len(samples):
            told = len(outcomes)
            progress(f"{told} of {len(samples)}")
    return outcomes, end


def _trial(
    samples: Sequence[GivenSample],
    outcomes: Mapping[str, pb.SampleOutcome],
    end: pb.GradeResponse | None,
    calls: Sequence[AskedCall],
) -> Trial:
    calls_of: dict[str, list[AskedCall]] = {}
    for call in calls:
        calls_of.setdefault(call.sample_id, []).append(call)
    execution = None
    if end is not None:
        metrics_json = end.aggregate.metrics_json
        execution = tried_execution(end.execution, metrics_json, calls_of.get("", []))
    tried_samples = [
        tried_sample(
            outcomes[sample.id or ""],
            sample_index=sample.sample_index or 0,
            calls=calls_of.get(sample.id or "", []),
        )
        for sample in samples
    ]
    return Trial(samples=tried_samples, execution=execution)


async def _grade_requests(
    task: pb.GradeTask, samples: Sequence[GivenSample]
) -> AsyncIterator[pb.GradeRequest]:
    yield pb.GradeRequest(task=task)
    for batch in _batches(samples):
        yield pb.GradeRequest(samples=pb.GradeSampleBatch(samples=batch))


def _batches(samples: Sequence[GivenSample]) -> Iterator[list[pb.GradeSample]]:
    batch: list[pb.GradeSample] = []
    size_bytes = 0
    for sample in samples:
        message = _message(sample)
        if batch and (
            len(batch) == _BATCH_MAX or size_bytes + message.ByteSize() > _BATCH_BYTES_MAX
        ):
            yield batch
            batch, size_bytes = [], 0
        batch.append(message)
        size_bytes += message.ByteSize()
    if batch:
        yield batch


def _message(sample: GivenSample) -> pb.GradeSample:
    return pb.GradeSample(
        sample_id=sample.id or "",
        sample_index=sample.sample_index or 0,
        row_json=json.dumps(sample.columns).encode(),
        prompt=sample.prompt or "",
        target=sample.target,
        choices_json=b"" if sample.choices is None else json.dumps(sample.choices).encode(),
        output_text=sample.output_text,
        response_id=sample.response_id,
        tokens=TokenUsage(**sample.usage.model_dump()),
    )
