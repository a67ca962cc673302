"""What a child can be asked to do.

Each program takes its job and its channel and returns the result to send.
"""

import json
import linecache
import sys
from collections.abc import Callable, Iterator

from grader.inside.jobs import CallModel, Graded, GradeJob, JsonObject
from grader.inside.runner.channel import Channel, Frame, encode
from grader.inside.runner.child import Program, emit

# Runs of our own trivial grader before the first fork: the interpreter adapts its code and fills
# its caches in the first few, and each child would do that again, in pages it must copy first.
WARM_UPS = 10
_WARM_UP_JOB: Frame = {
    "source": "def grade(sample, item):\n    return {'score': 1.0, 'judge': {'reason': 'x'}}\n",
    "grader": {"contract": "sample", "metric_id": "score"},
    "extraction": {"type": "number"},
    "run": {"run_id": "r", "task_id": "t", "model": "m"},
    "sample": {
        "id": "s",
        "sample_index": 0,
        "row": {"a": 1},
        "prompt": "p",
        "target": "1",
        "output_text": "the answer is 1",
        "usage": {},
    },
}


def programs(flavour: str) -> dict[str, Program]:
    """The programs of a jail of this flavour, imported now so that every fork finds them in memory.

    A grading jail does without Jinja2: there is less memory to copy at each fork.
    """
    return _preparing() if flavour == "prepare" else _grading()


def _grading() -> dict[str, Program]:
    from grader.inside import grading  # noqa: PLC0415

    def grade(job: Frame, channel: Channel) -> object:
        return grading.grade_one(job, _caller(channel))  # type: ignore[arg-type] # the host's JSON

    def grade_all(job: Frame, channel: Channel) -> object:
        emit(channel, grading.grade_all(job, _lines(channel, "samples"), _caller(channel)))  # type: ignore[arg-type]
        return None

    _warm_up(grading.grade_one)
    return {"grade": grade, "grade_all": grade_all}


def _warm_up(grade_one: Callable[[GradeJob, CallModel], Graded]) -> None:
    """Grade with a grader of ours, and forget that it was there."""
    own = sys.modules["grader"]
    for _ in range(WARM_UPS):
        encode({"result": grade_one(json.loads(encode(_WARM_UP_JOB)), _no_models)})
    sys.modules["grader"] = own  # the module of a grader takes this name
    linecache.clearcache()


def _no_models(method: str, _: JsonObject) -> JsonObject:
    raise PermissionError(method)


def _preparing() -> dict[str, Program]:
    from grader.inside import check, prepare, preprocess  # noqa: PLC0415

    def check_programs(job: Frame, _: Channel) -> object:
        return check.check(job["programs"])

    def prepare_rows(job: Frame, channel: Channel) -> object:
        rows, examples = _lines(channel, "rows"), _lines(channel, "fewshot_rows")
        try:
            emit(channel, prepare.prepare(job, rows, examples))  # type: ignore[arg-type]
        except preprocess.PrepareError as error:
            return {"code": error.code, "message": str(error)}
        return None

    return {"check": check_programs, "prepare": prepare_rows}


def _lines(channel: Channel, of_what: str) -> Iterator[JsonObject]:
    """Objects that the host hands out in pieces, asked for as they are needed."""
    last = False
    while not last:
        answer, raw = channel.request(of_what, None)
        last = answer["last"]
        for line in raw.decode().split("\n"):
            if line:
                yield json.loads(line)


def _caller(channel: Channel) -> CallModel:
    def call_model(method: str, body: JsonObject) -> JsonObject:
        answer, raw = channel.request(method, body)
        if not raw:
            return {"error": answer["error"]}
        response: JsonObject = json.loads(raw)
        return response

    return call_model
