"""Messages of the sandbox service into values of the domain, and back; no decisions."""

import math

import orjson
from google.protobuf.duration_pb2 import Duration

from grader.domain.checking import Program, ProgramKind, Verdict
from grader.domain.grading import (
    Footprint,
    GradeSample,
    GradeTask,
    SampleResult,
    TogetherResult,
    digest,
    grader_program,
    isolation,
    model_access,
    timeout_s,
)
from grader.domain.outcome import Outcome
from grader.domain.preparing import Item, PrepareTask, preprocess_isolation, preprocess_s
from grader.domain.strict_json import encode
from proctor.common.v1.usage_pb2 import TokenUsage
from proctor.sandbox.v1 import sandbox_service_pb2 as wire
from servicekit.errors import Kind, ServiceError

_KINDS = {
    wire.PROGRAM_KIND_GRADER: ProgramKind.GRADER,
    wire.PROGRAM_KIND_PREPROCESSOR: ProgramKind.PREPROCESSOR,
    wire.PROGRAM_KIND_TEMPLATE: ProgramKind.TEMPLATE,
    wire.PROGRAM_KIND_PATTERN: ProgramKind.PATTERN,
}
_OUTCOMES = {outcome: wire.Outcome.Value(f"OUTCOME_{outcome}") for outcome in Outcome}
_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")


class MessageInvalid(ServiceError):
    """A message lacks what its place in the stream demands."""

    kind = Kind.INVALID_ARGUMENT
    reason = "MESSAGE_INVALID"


def program_of(message: wire.Program) -> Program:
    """One program to check.

    Raises:
        MessageInvalid: it says of no known kind to be.
    """
    if message.kind not in _KINDS:
        raise MessageInvalid(f"the program {message.path} is of no known kind", param=message.path)
    return Program(
        path=message.path,
        kind=_KINDS[message.kind],
        source=message.source,
        contract=message.contract,
        group_json=message.group_json,
    )


def checked_response(verdict: Verdict) -> wire.CheckProgramResponse:
    """What was found."""
    return wire.CheckProgramResponse(
        violations=[
            wire.ProgramViolation(path=found.path, reason=found.reason, message=found.message)
            for found in verdict.violations
        ],
        grader_entrypoints=verdict.entrypoints,
    )


def prepare_task_of(message: wire.PrepareTask, team_id: str) -> PrepareTask:
    """A task whose rows are to be prepared.

    Raises:
        PrepareFailed: its JSON cannot be read.
    """
    limit = preprocess_s(message.task_json)
    max_items = message.max_items if message.HasField("max_items") else None
    job = orjson.dumps({"task": orjson.Fragment(message.task_json), "max_items": max_items})
    return PrepareTask(
        team_id=team_id,
        run_id=message.run_id,
        job=job,
        digest=digest(job),
        preprocess_s=limit,
        isolation=preprocess_isolation(message.task_json),
    )


def item_message(item: Item) -> wire.Item:
    """One prepared row."""
    failed = bool(item.error_message)
    return wire.Item(
        sample_index=item.sample_index,
        row_json=encode(dict(item.row)),
        prompt="" if failed else item.prompt,
        target=item.target,
        choices_json=b"" if item.choices is None else encode(list(item.choices)),
        error_code="template_error" if failed else "",
        error_message=item.error_message,
    )


def grade_task_of(message: wire.GradeTask, team_id: str) -> GradeTask:
    """A grading.

    Raises:
        GraderInvalid: its JSON cannot be read, or the grader has no source.
    """
    program, settings = grader_program(message.grader_json, message.extraction_json)
    judge_model = message.judge_model if message.HasField("judge_model") else None
    embedding_model = message.embedding_model if message.HasField("embedding_model") else None
    facts = {
        "run_id": message.run_id,
        "task_id": message.task_id,
        "model": message.model,
        "judge_model": judge_model,
        "embedding_model": embedding_model,
    }
    return GradeTask(
        team_id=team_id,
        run_id=message.run_id,
        program=program,
        digest=digest(program),
        facts=orjson.dumps(facts),
        timeout_s=timeout_s(settings),
        access=model_access(settings, judge_model=judge_model, embedding_model=embedding_model),
        run_token=message.run_token,
        aggregate=message.aggregate,
        concurrency=message.concurrency,
        isolation=isolation(settings),
    )


def sample_of(message: wire.GradeSample) -> GradeSample:
    """One sample to grade."""
    return GradeSample(
        sample_id=message.sample_id,
        sample_index=message.sample_index,
        row=message.row_json,
        prompt=message.prompt,
        target=message.target if message.HasField("target") else None,
        choices=message.choices_json,
        output_text=message.output_text if message.HasField("output_text") else None,
        response_id=message.response_id if message.HasField("response_id") else None,
        usage=_usage_of(message.tokens),
    )


def outcome_message(result: SampleResult, *, include_output: bool = False) -> wire.SampleOutcome:
    """What came of one sample; with what its own execution printed only if that is wanted."""
    graded = result.graded
    failure = graded.failure
    message = wire.SampleOutcome(
        sample_id=result.sample_id,
        outcome=_OUTCOMES[graded.outcome],
        extracted_output=graded.extracted_output,
        scores_json=b"" if failure else encode(dict(graded.scores)),
        judge_json=b"" if graded.judge is None else encode(dict(graded.judge)),
        error_code=failure.code if failure else "",
        error_message=failure.message if failure else "",
        error_stage=graded.stage,
        traceback=graded.traceback,
        run_time=_duration(result.run_time_s),
    )
    if result.footprint is not None:
        _add_footprint(message, result.footprint, include_output=include_output)
    return message


def together_response(
    result: TogetherResult, *, include_output: bool = False
) -> wire.GradeResponse:
    """The end of an aggregate grading: its metrics, if it has any, and what it used."""
    run_time = _duration(result.footprint.run_time_s)
    execution = wire.AggregateExecution(run_time=run_time)
    _add_footprint(execution, result.footprint, include_output=include_output)
    response = wire.GradeResponse(execution=execution)
    if result.metrics:
        response.aggregate.metrics_json = encode(dict(result.metrics))
    return response


def _add_footprint(
    message: wire.SampleOutcome | wire.AggregateExecution,
    footprint: Footprint,
    *,
    include_output: bool,
) -> None:
    if footprint.ending is not None:
        message.cpu_time.CopyFrom(_duration(footprint.ending.cpu_s))
        message.peak_memory_bytes = footprint.ending.rss_bytes
    if include_output:
        message.stdout, message.stderr = footprint.stdout, footprint.stderr


def _usage_of(tokens: TokenUsage) -> dict[str, int]:
    return {field.name: value for field, value in tokens.ListFields() if field.name in _TOKENS}


def _duration(seconds: float) -> Duration:
    fraction, whole = math.modf(seconds)
    return Duration(seconds=int(whole), nanos=int(fraction * 1e9))
