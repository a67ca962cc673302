"""Grade samples: extract the answer, run the tenant's grader, read what it returned."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from grader.inside.batch_results import SampleKey, read_batch
from grader.inside.contexts import Context, ModelNotSetError
from grader.inside.extraction import ExtractionTimeoutError, extract
from grader.inside.jobs import AggregateEnd, CallModel, Failure, Graded, GradeJob, Outcome, Sample
from grader.inside.loading import GRADER, call_entry, entry_point, load_program
from grader.inside.patterns import BadRegexError
from grader.inside.results import InvalidResultError, Result, read_result
from grader.inside.tracebacks import Description, describe
from grader.inside.views import item_of, sample_of

_GRADE, _GRADE_BATCH = "grade", "grade_batch"


def grade_one(job: GradeJob, call_model: CallModel) -> Graded:
    """Grade one sample in one execution of the grader; never raises."""
    sample = job["sample"]
    extracted: str | None = None
    try:
        extracted = extract(job.get("extraction"), sample.get("output_text"))
        return _Program(job, call_model).grade(sample, extracted)
    except BaseException as error:  # noqa: BLE001 - whatever the tenant's code raises
        return _failed(_verdict(error), extracted)


def grade_all(
    job: GradeJob, samples: Iterable[Sample], call_model: CallModel
) -> Iterator[Graded | AggregateEnd]:
    """Grade all samples of a task and model in one execution of the grader; never raises.

    Yields each sample's result, with its `sample_id`, and at last the metrics of the execution, or
    the error by which all its samples failed. A grader with only `grade` is called sample by
    sample as they come, and an exception in one call fails that sample alone.
    """
    program: _Program | None = None
    broken: BaseException | None = None
    try:
        program = _Program(job, call_model)
    except BaseException as error:  # noqa: BLE001 - the module body is the tenant's
        broken = error
    batch: list[_Waiting] = []
    for sample in samples:
        extracted: str | None = None
        try:
            extracted = extract(job.get("extraction"), sample.get("output_text"))
            if program is None or program.takes_batch:
                batch.append((sample, extracted))
                continue
            graded = program.grade(sample, extracted)
        except BaseException as error:  # noqa: BLE001 - whatever the tenant's code raises
            graded = _failed(_verdict(error), extracted)
        yield {**graded, "sample_id": sample["id"]}
    if broken is not None:
        yield from _all_failed(broken, batch)
    elif program is not None:
        yield from program.grade_batch(batch)


_Waiting = tuple[Sample, str | None]


class _Verdict(NamedTuple):
    outcome: Outcome
    failure: Failure


class _Program:
    """The loaded grader of one execution, with its `ctx`."""

    def __init__(self, job: GradeJob, call_model: CallModel) -> None:
        self._run = job["run"]
        self._ctx = Context(job["run"], job["grader"], call_model)
        self._metric_id = self._ctx.metric_id
        module = job.get("module") or load_program(job["source"], GRADER, job.get("code"))
        for name in _entry_names(job):
            entry = entry_point(module, name)
            if entry is not None:
                self._entry = entry
                self.takes_batch = name == _GRADE_BATCH
                return
        raise LookupError("the grader defines neither grade nor grade_batch")

    def grade(self, sample: Sample, extracted: str | None) -> Graded:
        """Grade one sample; what the tenant's code raises goes on to the caller."""
        view = sample_of(sample, self._run, extracted)
        if not self.takes_batch:
            returned = call_entry(self._entry, view, item_of(sample), ctx=self._ctx)
            return _graded(read_result(returned, self._metric_id), extracted)
        view["item"] = item_of(sample)
        returned = call_entry(self._entry, [view], ctx=self._ctx)
        batch = read_batch(returned, [_key(sample)], self._metric_id)
        result = self._result(batch.by_place.get(0))
        # Metrics of a batch of one are that sample's scores.
        return _graded(result._replace(scores=(batch.metrics or {}) | result.scores), extracted)

    def grade_batch(self, batch: Sequence[_Waiting]) -> Iterator[Graded | AggregateEnd]:
        """Grade a whole batch; the end comes last."""
        if not batch or not self.takes_batch:
            yield {"metrics": None, "error": None}
            return
        try:
            views = [
                {**sample_of(sample, self._run, extracted), "item": item_of(sample)}
                for sample, extracted in batch
            ]
            returned = call_entry(self._entry, views, ctx=self._ctx)
            results = read_batch(returned, [_key(sample) for sample, _ in batch], self._metric_id)
        except BaseException as error:  # noqa: BLE001 - whatever the tenant's code raises
            yield from _all_failed(error, batch)
            return
        for place, (sample, extracted) in enumerate(batch):
            try:
                graded = _graded(self._result(results.by_place.get(place)), extracted)
            except BaseException as error:  # noqa: BLE001 - reading it may run the tenant's code
                graded = _failed(_verdict(error), extracted)
            yield {**graded, "sample_id": sample["id"]}
        yield {"metrics": results.metrics, "error": None}

    def _result(self, returned: object) -> Result:
        return Result({}) if returned is None else read_result(returned, self._metric_id)


def _entry_names(job: GradeJob) -> tuple[str, str]:
    """Return the names of the entry point in the order in which they are looked for."""
    grader = job["grader"]
    wanted = job.get("entry")
    if wanted is None:
        contract = grader.get("contract", "sample")
        aggregate = contract == "model_backed" and grader.get("execution") == "aggregate"
        wanted = _GRADE_BATCH if contract == "batch" or aggregate else _GRADE
    return (wanted, _GRADE if wanted == _GRADE_BATCH else _GRADE_BATCH)


def _key(sample: Sample) -> SampleKey:
    return SampleKey(sample["id"], sample["sample_index"])


def _graded(result: Result, extracted: str | None) -> Graded:
    text = extracted if result.replacement is None else result.replacement[0]
    if result.failure is not None:
        failure = _failure_of("grader_error", Description(result.failure))
        return {**_failed(_Verdict("grader_error", failure), text), "judge": result.judge}
    return {
        "outcome": "scored",
        "extracted_output": text,
        "scores": result.scores,
        "judge": result.judge,
        "error": None,
    }


def _failed(verdict: _Verdict, extracted: str | None) -> Graded:
    return {
        "outcome": verdict.outcome,
        "extracted_output": extracted,
        "scores": {},
        "judge": None,
        "error": verdict.failure,
    }


def _all_failed(error: BaseException, batch: Sequence[_Waiting]) -> Iterator[Graded | AggregateEnd]:
    verdict = _verdict(error)
    for sample, extracted in batch:
        yield {**_failed(verdict, extracted), "sample_id": sample["id"]}
    yield {"metrics": None, "error": verdict.failure}


def _verdict(error: BaseException) -> _Verdict:
    kind = type(error)
    if kind is ExtractionTimeoutError:
        failure = _failure_of("regex_timeout", Description(str(error)), stage="extract")
        return _Verdict("timeout", failure)
    if kind is BadRegexError:
        failure = _failure_of("bad_regex", Description(str(error)), stage="extract")
        return _Verdict("grader_error", failure)
    if kind is InvalidResultError and isinstance(error, InvalidResultError):
        return _Verdict("invalid_result", _failure_of(error.code, Description(str(error))))
    if kind is ModelNotSetError and isinstance(error, ModelNotSetError):
        return _Verdict("grader_error", _failure_of(error.code, _described(error)))
    if issubclass(kind, MemoryError):
        # What filled the memory hangs on the frames.
        BaseException.with_traceback(error, None)
        return _Verdict("out_of_memory", _failure_of("grader_oom", _OUT_OF_MEMORY))
    return _Verdict("grader_error", _failure_of("grader_error", _described(error)))


def _described(error: BaseException) -> Description:
    try:
        return describe(error, f"{GRADER}.py")
    except BaseException:  # noqa: BLE001 - the exception is as hostile as its author wants
        return Description("the grader raised what cannot be described")


_OUT_OF_MEMORY = Description("the grader ran out of memory")


def _failure_of(
    code: str, description: Description, stage: Literal["extract", "score"] = "score"
) -> Failure:
    return {
        "code": code,
        "message": description.message,
        "stage": stage,
        "traceback": description.traceback,
    }
